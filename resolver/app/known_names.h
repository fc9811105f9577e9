// The names that configuration sources may use: keys and sections of the file, and environment
// variables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace meshdns::dns {

inline constexpr std::string_view kEnvironmentPrefix = "MESHDNS_";
inline constexpr std::string_view kConfigVariable = "MESHDNS_CONFIG";  // the file's path

// Every key and section of the file.
[[nodiscard]] std::vector<std::string_view> known_keys();

// The keys of a section without its name, or nothing when there is no such section.
[[nodiscard]] std::vector<std::string_view> keys_of_section(std::string_view section);

// Every variable that means something to this program.
[[nodiscard]] std::vector<std::string> known_variables();

// Whether a variable that starts with kEnvironmentPrefix is set by and for others: those of
// meshdns-cp, and what Kubernetes tells each container about a Service that is called "meshdns"
// (MESHDNS_SERVICE_HOST, MESHDNS_PORT_53_UDP_ADDR).
[[nodiscard]] bool is_variable_of_others(std::string_view name);

}  // namespace meshdns::dns
