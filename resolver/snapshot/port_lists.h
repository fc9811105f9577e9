// The ports that services have, for answers that tell them: each list is kept once, however many
// services share it, and a table's entry refers to it by an index of two octets.
//
// PortLists is the builder's side: control thread only. A PortListView is what a snapshot holds; it
// never changes and keeps its lists alive, so that an index is free for another list as soon as no
// service has the old one. Looking up is Hot path; views are made and destroyed on the control
// thread, any thread may read them meanwhile.
//
//     root (vector)  ->  chunk (256 lists)  ->  list (vector of ports)
//
// A view shares all three with the builder, which copies a chunk and the root before it changes
// what a view can see.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "discovery/service.h"

namespace meshdns::dns {

// Which ports have an HTTPS record. A browser that finds one speaks TLS, whatever the link said
// (RFC 9460 section 9.5), so a port that speaks plaintext must not have one.
enum class HttpsRecords : std::uint8_t {
  kTlsPorts,      // number 443, or named `https` or `https-...`
  kAllHttpPorts,  // and those whose protocol is http, http2 or grpc
  kNone,
};

// What follows from a port's protocol (RFC 7301 section 6).
enum class Alpn : std::uint8_t { kNone, kHttp11, kH2 };

struct Port {
  std::uint16_t number = 0;
  Alpn alpn = Alpn::kNone;
  bool has_https_record = false;
  std::string_view protocol;  // as a label after its underscore; empty for plain TCP
  std::string name;           // in small letters; any octets, perhaps none
};
using PortList = std::vector<Port>;  // ascending by number, each number once

using PortListIndex = std::uint16_t;
inline constexpr PortListIndex kNoPorts = 0;
inline constexpr PortListIndex kPortsNotTold = UINT16_MAX;  // there are ports; nobody knows which

class PortListView {
 public:
  PortListView() = default;
  // The list of an index of the same snapshot. Empty for kNoPorts and kPortsNotTold.
  [[nodiscard]] std::span<const Port> find(PortListIndex index) const;

 private:
  friend class PortLists;
  static constexpr std::size_t kListsPerChunk = 256;
  struct Chunk {
    std::array<std::shared_ptr<const PortList>, kListsPerChunk> lists;
  };
  using Root = std::vector<std::shared_ptr<Chunk>>;

  std::shared_ptr<const Root> root_;
};

class PortLists {
 public:
  explicit PortLists(HttpsRecords https_records);
  PortLists(const PortLists&) = delete;
  PortLists& operator=(const PortLists&) = delete;
  PortLists(PortLists&&) = delete;
  PortLists& operator=(PortLists&&) = delete;
  ~PortLists() = default;

  // The index of these ports, which the caller owns once more until release(). Of two ports with
  // one number the first counts. kPortsNotTold when 65,534 other lists are in use.
  [[nodiscard]] PortListIndex acquire(std::span<const discovery::ServicePort> ports);
  void release(PortListIndex index);

  [[nodiscard]] PortListView view() const;
  // Different lists in use.
  [[nodiscard]] std::size_t size() const { return indexes_.size(); }

 private:
  struct Use {
    std::size_t owners = 0;
    std::string key;  // in indexes_
  };

  [[nodiscard]] PortList make_list(std::span<const discovery::ServicePort> ports) const;
  void store(PortListIndex index, std::shared_ptr<const PortList> list);

  HttpsRecords https_records_;
  std::shared_ptr<PortListView::Root> root_ = std::make_shared<PortListView::Root>();
  std::unordered_map<std::string, PortListIndex> indexes_;  // by content
  std::vector<Use> uses_;                                   // by index - 1
  std::vector<PortListIndex> free_;
};

}  // namespace meshdns::dns
