// HeldVersions: resources that are held, by name, with their versions (empty: not known). Kept
// small, since there may be a million.
//
// A value.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/unordered/unordered_flat_set.hpp>

#include "base/packed_text.h"

namespace meshdns::discovery {

class HeldVersions {
 public:
  HeldVersions() = default;
  HeldVersions(std::initializer_list<std::pair<std::string_view, std::string_view>> held);

  void set(std::string_view name, std::string_view version);
  void erase(std::string_view name);
  void clear() { held_.clear(); }

  // The version, as long as it is held; nothing where the resource is not.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] bool contains(std::string_view name) const { return held_.contains(name); }
  [[nodiscard]] std::size_t size() const { return held_.size(); }
  // Calls `visit` with each name and version, in no order.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Held& held : held_) {
      visit(held.name(), held.version());
    }
  }
  // Keeps the resources of whose names `wanted` is true.
  template <typename Wanted>
  void keep_if(Wanted wanted) {
    boost::unordered::erase_if(held_, [&](const Held& held) { return !wanted(held.name()); });
  }

 private:
  // A name and its version, in one block.
  class Held {
   public:
    Held(std::string_view name, std::string_view version);
    Held(const Held& other) : Held(other.name(), other.version()) {}
    Held(Held&&) noexcept = default;
    Held& operator=(const Held& other) { return *this = Held(other); }
    Held& operator=(Held&&) noexcept = default;
    ~Held() = default;

    [[nodiscard]] std::string_view name() const;
    [[nodiscard]] std::string_view version() const;
    // The name stays, so this changes no order and no hash.
    void set_version(std::string_view version) const;

   private:
    mutable PackedText text_;  // the number of the name's octets, the name, the version
  };
  static std::string_view name_of(const Held& held) { return held.name(); }
  static std::string_view name_of(std::string_view name) { return name; }
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const auto& held) const {
      return std::hash<std::string_view>{}(name_of(held));
    }
  };
  struct SameName {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const { return name_of(a) == name_of(b); }
  };

  boost::unordered_flat_set<Held, Hash, SameName> held_;
};

}  // namespace meshdns::discovery
