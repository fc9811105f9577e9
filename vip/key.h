// Lease keys: the opaque string under which a service holds its addresses.
//
// A key is the five parts joined by '/', each with every octet but printable ASCII, and '/', '%'
// and space, written as %XX (upper-case hexadecimal), e.g. `default/service///backend`. Two
// different identities never share a key, since a '/' inside a part is escaped. Parts are taken
// octet for octet: who wants case folded folds it first.
//
// Keys are on disk and are hashed into addresses: their form is frozen by test vectors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace meshdns::vip {

// The longest key that a journal holds.
inline constexpr std::size_t kMaxKeyOctets = 8192;

// `kind` tells sorts of things with the same name apart, e.g. "service"; `zone` and `name_space`
// are empty where an identity has none.
[[nodiscard]] std::string lease_key(std::string_view mesh, std::string_view kind,
                                    std::string_view zone, std::string_view name_space,
                                    std::string_view name);

// The key of a service, at the resolver and at the control plane alike: so both give a service the
// same address.
[[nodiscard]] std::string service_lease_key(std::string_view mesh, std::string_view name);

}  // namespace meshdns::vip
