// The table as JSON, for /table and /vips, made in pieces.
//
// Control thread. A piece holds some hundred services; between two pieces the table may change, and
// what follows shows it as it is then. Each service is whole.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "resolver/app/service_entries.h"

namespace meshdns::dns {

// Gives the next piece at each call, nothing at the end.
using Pieces = std::function<std::optional<std::string>()>;

// {"services":[{"mesh","name","zone","hostnames","addresses","status","ports","tags"},...]}
// `entries` outlives the pieces.
[[nodiscard]] Pieces dump_table(const ServiceEntries& entries);

// {"vips":[{"key","mesh","service","hostnames","ipv4","ipv6","addresses","ports","status"},...]}
// Every service is listed. Addresses are those that clients are told: with another status than
// "leased" or "given" there is none. "ipv4" and "ipv6" are the first of their family, or absent.
[[nodiscard]] Pieces dump_vips(const ServiceEntries& entries);

}  // namespace meshdns::dns
