// What the rows of the table of settings are made of: a place in a Config, how a text is parsed
// into it, and how it is printed.
//
// Of settings.cc alone. A place is a function without captures that gives a reference to the value
// in a Config, const or not; a parser one from a text to a Result of that value.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "resolver/app/route_text.h"
#include "resolver/app/setting_text.h"
#include "resolver/app/settings.h"
#include "resolver/app/upstream_text.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

// What Setting::print gives.
using SettingTexts = std::vector<std::string>;

// Stores a parsed value, or hands the error on.
template <typename Parsed, typename Target>
Result<void> store_parsed(Parsed&& parsed, Target& target) {
  if (!parsed) {
    return tl::unexpected(std::forward<Parsed>(parsed).error());
  }
  target = *std::forward<Parsed>(parsed);
  return {};
}

// The same for one more item of a list; an item that is there already is refused.
template <typename Parsed, typename Item>
Result<void> append_parsed(Parsed&& parsed, std::vector<Item>& list) {
  if (!parsed) {
    return tl::unexpected(std::forward<Parsed>(parsed).error());
  }
  if (std::ranges::find(list, *parsed) != list.end()) {
    return refuse("is in the list twice (keep one of the two)");
  }
  constexpr std::size_t kMaxListItems = 1000;
  if (list.size() >= kMaxListItems) {
    return refuse(fmt::format("the list is too long (write at most {} items)", kMaxListItems));
  }
  list.push_back(*std::forward<Parsed>(parsed));
  return {};
}

// The words of a setting that is one of a few, and their values.
template <typename Value, std::size_t kCount>
using Words = std::array<std::pair<std::string_view, Value>, kCount>;

// The value of a word; an error that names all words where `text` is none of them.
template <typename Value, std::size_t kCount>
Result<Value> choose_word(const Words<Value, kCount>& words, const std::string& text) {
  std::string all;
  for (const auto& [word, value] : words) {
    if (word == text) {
      return value;
    }
    all += fmt::format("{}{}", all.empty() ? "" : " or ", word);
  }
  return refuse(fmt::format("'{}' is none of the choices (write {})", escape_name(text), all));
}

// The way back, for Setting::print.
template <typename Value, std::size_t kCount>
SettingTexts word_of(const Words<Value, kCount>& words, Value value) {
  const auto* const found =
      std::ranges::find(words, value, &std::pair<std::string_view, Value>::second);
  return {found == words.end() ? "" : std::string(found->first)};
}

// One value as the text that its parser would take.
inline std::string print_item(const std::string& item) { return item; }
inline std::string print_item(const SocketAddress& item) { return item.to_string(); }
inline std::string print_item(const IpPrefix& item) { return item.to_string(); }
inline std::string print_item(const UpstreamServer& item) { return print_upstream_server(item); }
inline std::string print_item(const ConfiguredGroup& item) { return print_group(item); }
inline std::string print_item(const ConfiguredRoute& item) { return print_route(item); }
inline std::string print_item(bool item) { return item ? "true" : "false"; }
inline std::string print_item(std::chrono::milliseconds item) { return print_duration(item); }
inline std::string print_item(std::size_t octets) { return print_size(octets); }

template <typename Item>
SettingTexts print_items(const std::vector<Item>& items) {
  SettingTexts texts;
  std::ranges::transform(items, std::back_inserter(texts),
                         [](const Item& item) { return print_item(item); });
  return texts;
}

// What a setting is called and how it is explained.
struct SettingLabel {
  std::string_view key;
  std::string_view flag;
  std::string_view value;
  std::string_view help;
};

// A value that is stored and printed in a way of its own.
constexpr Setting special(const SettingLabel& label, decltype(Setting::add) add,
                          decltype(Setting::print) print,
                          SettingScope scope = SettingScope::kRestart) {
  return {.key = label.key,
          .flag = label.flag,
          .value = label.value,
          .help = label.help,
          .shape = SettingShape::kText,
          .scope = scope,
          .clear = nullptr,
          .add = add,
          .print = print};
}

// A value at kPlace(config) that kParse makes of one text.
template <auto kPlace, auto kParse>
constexpr Setting value_of(const SettingLabel& label, SettingScope scope = SettingScope::kRestart) {
  return special(
      label, [](Config& c, const std::string& t) { return store_parsed(kParse(t), kPlace(c)); },
      [](const Config& c) { return SettingTexts{print_item(kPlace(c))}; }, scope);
}

// "true" or "false" at kPlace(config).
template <auto kPlace>
constexpr Setting boolean(std::string_view key, std::string_view flag, std::string_view help) {
  return value_of<kPlace, parse_boolean>({key, flag, "true|false", help});
}

// A list at kPlace(config), each item of which kParse makes.
template <auto kPlace, auto kParse>
constexpr Setting list_of(const SettingLabel& label, SettingScope scope) {
  return {
      .key = label.key,
      .flag = label.flag,
      .value = label.value,
      .help = label.help,
      .shape = SettingShape::kList,
      .scope = scope,
      .clear = [](Config& c) { kPlace(c).clear(); },
      .add = [](Config& c, const std::string& t) { return append_parsed(kParse(t), kPlace(c)); },
      .print = [](const Config& c) { return print_items(kPlace(c)); }};
}

}  // namespace meshdns::dns
