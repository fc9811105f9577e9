// What tests of lease stores allocate, and an oracle that remembers all they were ever told.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "vip/lease_store.h"

namespace meshdns::vip {

// So few addresses for so many keys that most keys want one that another has.
inline constexpr std::string_view kChurnPool = "192.0.2.0/26";
inline constexpr std::uint64_t kChurnKeys = 40;

// Some keys are long, so that the journal soon is written anew.
[[nodiscard]] inline std::string churn_key(std::uint64_t number) {
  std::string key = std::to_string(number) + "/service///s";
  if (number % 4 == 0) {
    key.resize(8000, 'x');
  }
  return key;
}

// The number of a churn_key().
[[nodiscard]] inline std::uint64_t churn_number(std::string_view key) {
  std::uint64_t number = 0;
  std::from_chars(key.data(), key.data() + key.size(), number);
  return number;
}

// The IPv4 address of a lease, or "none".
[[nodiscard]] inline std::string address_of(const LeaseStore::Lease& lease) {
  return lease.ipv4 ? lease.ipv4->to_string() : "none";
}

// Who has an address, in quarantine or out of it; "nobody" else.
[[nodiscard]] inline std::string holder_of(const LeaseStore& store, const std::string& address) {
  const auto parsed = IpAddress::parse(address);
  return std::string(parsed ? store.holder(*parsed).value_or("nobody") : "nobody");
}

// Where no quarantine ends, what was told once is true for ever: of its key and of its address.
class LeaseOracle {
 public:
  // False when this contradicts what was told before.
  [[nodiscard]] bool note(std::uint64_t key, const std::string& address) {
    const auto [told, is_new_key] = address_of_.emplace(key, address);
    const auto [holder, is_new_address] = key_of_.emplace(address, key);
    return told->second == address && holder->second == key;
  }
  // Addresses by the number of their key.
  [[nodiscard]] const std::map<std::uint64_t, std::string>& told() const { return address_of_; }

 private:
  std::map<std::uint64_t, std::string> address_of_;
  std::map<std::string, std::uint64_t> key_of_;
};

}  // namespace meshdns::vip
