// The table of every configuration key: how it is written in the file, as a flag and in the
// environment, how its text becomes part of a Config, and how it is printed.
//
// One row serves all sources, so that a value means the same wherever it stands. A test compares
// docs/CONFIGURATION.md with this table.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "resolver/app/config.h"

namespace meshdns::dns {

enum class SettingShape : std::uint8_t { kText, kList };

// When a changed value takes effect.
enum class SettingScope : std::uint8_t { kReload, kRestart };

struct Setting {
  std::string_view key;    // in the file, dotted: "vip.ipv4_pool"
  std::string_view flag;   // on the command line: "--vip-ipv4-pool"
  std::string_view value;  // what a value looks like, for help and messages: "ADDRESS/LENGTH"
  std::string_view help;   // one line
  SettingShape shape;
  SettingScope scope;

  // kList: drops the default, before the first add(). Null for kText.
  void (*clear)(Config&);
  // Takes one text (kList: one item). An error is "reason (what to write instead)".
  Result<void> (*add)(Config&, const std::string& text);
  // The texts that add() would make the same value from; for kText exactly one.
  std::vector<std::string> (*print)(const Config&);
};

// Every key, in the order of docs/CONFIGURATION.md.
[[nodiscard]] std::span<const Setting> settings();

// Null when there is no such key.
[[nodiscard]] const Setting* find_setting(std::string_view key);

// Whether nobody is to be shown the value.
[[nodiscard]] bool is_secret(const Setting& setting);

// The environment variable of a key: "vip.ipv4_pool" -> "MESHDNS_VIP_IPV4_POOL".
[[nodiscard]] std::string environment_name(std::string_view key);

}  // namespace meshdns::dns
