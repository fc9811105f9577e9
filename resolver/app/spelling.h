// What somebody probably meant: the known word next to a misspelt one, for messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace meshdns::dns {

// The word of `words` that `word` is most likely meant to be, or "" when none is near. A slip is an
// octet too many, too few, wrong, or two that changed places; how many are forgiven grows with the
// word. A key without its section or in a wrong one counts as near: "ipv4_pool" for
// "vip.ipv4_pool". Of equals the first wins.
[[nodiscard]] std::string nearest_word(std::string_view word,
                                       std::span<const std::string_view> words);

// " (did you mean WORD?)", or " (`otherwise`)" when no word is near.
[[nodiscard]] std::string suggestion(std::string_view word, std::span<const std::string_view> words,
                                     std::string_view otherwise);

}  // namespace meshdns::dns
