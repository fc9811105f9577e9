// Domain names in wire form. Hot path (all but the text functions, which allocate).
//
// Wire form (RFC 1035 section 3.1): labels, each a length octet 1..63 and that many octets of any
// value, ended by a zero octet; at most 255 octets in all. Names compare without the case of A-Z
// only (RFC 4343); a folded name has those as a-z, so that octet equality is name equality. Length
// octets are below 'A' and survive folding.
//
// Both types are plain values without owner or thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace meshdns::dns {

inline constexpr std::size_t kMaxNameOctets = 255;
inline constexpr std::size_t kMaxLabelOctets = 63;

// Folds A-Z of `source` into `target`, eight octets at a time. Both have `size` octets.
void fold_octets(const std::uint8_t* source, std::uint8_t* target, std::size_t size);

// A view of a whole, uncompressed name held elsewhere.
class NameView {
 public:
  NameView() = default;  // the root
  // `octets` must be a valid name, e.g. of a Name or from a parser that checked it.
  explicit NameView(std::span<const std::uint8_t> octets) : octets_(octets) {}

  [[nodiscard]] std::span<const std::uint8_t> octets() const { return octets_; }
  [[nodiscard]] std::size_t size() const { return octets_.size(); }
  [[nodiscard]] bool is_root() const { return octets_.size() == 1; }
  // Labels without the root's.
  [[nodiscard]] std::size_t label_count() const;
  // The first label's octets; empty for the root.
  [[nodiscard]] std::span<const std::uint8_t> first_label() const;
  // Without the first label. The root's parent is the root.
  [[nodiscard]] NameView parent() const;
  // Whether this is `zone` or below it, label by label, without case.
  [[nodiscard]] bool is_within(NameView zone) const;
  [[nodiscard]] bool equals_ignoring_case(NameView other) const;
  // Presentation form with a final dot, octets outside printable ASCII as \DDD (RFC 1035 section
  // 5.1): safe for logs.
  [[nodiscard]] std::string to_text() const;

  // Octet equality: name equality only if both are folded.
  friend bool operator==(NameView a, NameView b);

 private:
  static constexpr std::array<std::uint8_t, 1> kRoot{0};
  std::span<const std::uint8_t> octets_{kRoot};
};

// A name that holds its octets inline: no heap.
class Name {
 public:
  Name() = default;  // the root

  // Presentation form: dots part labels, a final dot is optional, `\.` and `\DDD` escape. Nullopt
  // when empty, a label is empty or longer than 63, or the whole is longer than 255 octets.
  [[nodiscard]] static std::optional<Name> from_text(std::string_view text);
  // `octets` must hold one whole uncompressed name and nothing else; nullopt otherwise.
  [[nodiscard]] static std::optional<Name> from_wire(std::span<const std::uint8_t> octets);

  [[nodiscard]] NameView view() const { return NameView({octets_.data(), size_}); }
  // NOLINTNEXTLINE(google-explicit-constructor): a Name is usable wherever a view is.
  operator NameView() const { return view(); }
  [[nodiscard]] std::span<const std::uint8_t> octets() const { return {octets_.data(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::string to_text() const { return view().to_text(); }

  // Makes it the root.
  void clear() {
    octets_[0] = 0;
    size_ = 1;
  }
  // Copies a valid name, as it is or folded.
  void assign(NameView name);
  void assign_folded(NameView name);
  void fold() { fold_octets(octets_.data(), octets_.data(), size_); }
  // Puts `label` in front of the final root label. False, and no change, when it does not fit.
  [[nodiscard]] bool append_label(std::span<const std::uint8_t> label);
  // The same of labels that each stand behind their length, which must be valid.
  [[nodiscard]] bool append_labels(std::span<const std::uint8_t> labels);

  friend bool operator==(const Name& a, const Name& b) { return a.view() == b.view(); }

 private:
  std::array<std::uint8_t, kMaxNameOctets> octets_{};
  std::uint8_t size_ = 1;
};

}  // namespace meshdns::dns
