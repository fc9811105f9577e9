#include "tests/e2e/hostile_script.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "meshdns/mesh/v1/service.pb.h"

namespace meshdns::support {
namespace {

constexpr std::size_t kTooLarge = 65UL << 20U;  // the client takes 64 MiB
constexpr char kStartGroup = '\x0b';            // of field 1: what makes nesting without an end

std::string resource_name(const std::string& service) { return "default/" + service; }

std::string all_octets() {
  std::string text;
  for (int octet = 0; octet < 256; ++octet) {
    text.push_back(static_cast<char>(octet));
  }
  return text;
}

void append_varint(std::string& out, std::size_t value) {
  while (value >= 0x80U) {
    out.push_back(static_cast<char>((value & 0x7fU) | 0x80U));
    value >>= 7U;
  }
  out.push_back(static_cast<char>(value));
}

// A length-delimited field, whatever its octets are.
std::string field(unsigned number, const std::string& value) {
  std::string out(1, static_cast<char>((number << 3U) | 2U));
  append_varint(out, value.size());
  return out + value;
}

// As a NACK writes it.
std::string printable(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

std::string endpoints_value(const std::string& cluster, const std::string& address) {
  envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
  assignment.set_cluster_name(cluster);
  auto& endpoint = *assignment.add_endpoints()->add_lb_endpoints()->mutable_endpoint();
  endpoint.set_hostname("one");
  auto& socket = *endpoint.mutable_address()->mutable_socket_address();
  socket.set_address(address);
  socket.set_port_value(80);
  return assignment.SerializeAsString();
}

}  // namespace

const std::vector<HostileScript::Kind>& HostileScript::all_kinds() {
  using S = HostileScript;
  static const std::vector<Kind> kKinds{
      {"a service changes", &S::change, 60},
      {"a service goes", &S::remove, 20},
      {"good and bad resources together", &S::partly_bad, 40},
      {"flipped bits in a value", &S::flipped_bits, 150},
      {"a value cut short", &S::truncated, 60},
      {"a resource of another type", &S::wrong_type, 20},
      {"a resource without a name", &S::nameless, 20},
      {"a service of another mesh", &S::another_mesh, 20},
      {"a resource that says it is another", &S::another_name, 20},
      {"one resource twice", &S::duplicates, 20},
      {"one resource sent and removed", &S::sent_and_removed, 20},
      {"removal of what is not there", &S::unknown_removals, 20},
      {"no nonce", &S::nonce_missing, 20},
      {"a huge nonce", &S::nonce_huge, 5},
      {"a nonce used again", &S::nonce_again, 20},
      {"a version used again", &S::version_again, 20},
      {"a heartbeat", &S::heartbeat, 20},
      {"a heartbeat of what is not held", &S::heartbeat_of_nobody, 20},
      {"every octet in a resource's name", &S::octets_in_name, 20},
      {"control characters in a name", &S::control_characters_in_name, 20},
      {"a hostname beyond DNS", &S::bad_hostname, 40},
      {"thousands of hostnames", &S::many_hostnames, 5},
      {"a value nested without end", &S::deep_value, 10},
      {"a resource nested without end", &S::deep_resource, 10},
      {"strings of a megabyte", &S::long_strings, 3},
      {"a bad address", &S::bad_address, 30},
      {"a bad port", &S::bad_port, 30},
      {"a type not asked for", &S::type_not_asked_for, 20},
      {"an address leased to another", &S::stolen_address, 10},
      {"a hostname of another", &S::stolen_hostname, 10},
      {"twenty responses at once", &S::burst, 15},
      {"a large response", &S::bulk, 0},
      {"bad endpoints", &S::bad_endpoints, 20},
      {"good endpoints", &S::good_endpoints, 20},
      {"nothing at all", &S::empty, 20},
      {"bytes that are no message", &S::no_message, 10},
      {"a response past the limit", &S::too_large, 0},
      {"the end of the stream", &S::status, 15},
      {"UNIMPLEMENTED", &S::unimplemented, 2},
  };
  return kKinds;
}

HostileScript::HostileScript(std::uint64_t seed, std::size_t bulk) : random_(seed), bulk_(bulk) {}

std::size_t HostileScript::kinds() const { return all_kinds().size(); }

Step HostileScript::next() {
  const auto& kinds = all_kinds();
  std::size_t at = done_;
  if (done_ >= kinds.size()) {
    std::vector<int> weights;
    weights.reserve(kinds.size());
    for (const Kind& kind : kinds) {
      weights.push_back(kind.weight);
    }
    at = std::discrete_distribution<std::size_t>(weights.begin(), weights.end())(random_);
  }
  ++done_;
  Step step = (this->*kinds.at(at).make)();
  step.what = kinds.at(at).what + step.what;
  return step;
}

std::vector<Step> HostileScript::prologue() {
  Response table = response();
  Step step{.what = "the table", .messages = {}};
  Message all;
  const auto put = [&](const std::string& name, const std::string& address) {
    const std::string version = next_version();
    add(table, service(name, address), version);
    all.taken[resource_name(name)] = version;
    if (!address.empty()) {
      step.answers[name + ".mesh"] = {address};
    }
    return version;
  };
  for (int i = 0; i < kCalm; ++i) {
    put(fmt::format("calm-{}", i), fmt::format("192.0.2.{}", i + 1));
  }
  for (int i = 0; i < kLeased; ++i) {
    put(fmt::format("leased-{}", i), "");
  }
  for (int i = 0; i < kBusy; ++i) {
    busy_[i] = put(fmt::format("busy-{}", i), new_address());
  }
  Message sent = message(table, Outcome::kAck);
  sent.taken = all.taken;
  step.messages = {sent};
  return {step, good_endpoints()};
}

Step HostileScript::greeting() { return empty(); }

// --- Kinds ---

Step HostileScript::change() {
  const int which = static_cast<int>(draw(0, kBusy - 1));
  const std::string name = fmt::format("busy-{}", which);
  const std::string address = new_address();
  Response told = response();
  busy_[which] = next_version();
  add(told, service(name, address), busy_[which]);
  Message sent = message(told, Outcome::kAck);
  sent.taken[resource_name(name)] = busy_[which];
  return {.what = "", .messages = {sent}, .answers = {{name + ".mesh", {address}}}};
}

Step HostileScript::remove() {
  const int which = static_cast<int>(draw(0, kBusy - 1));
  const std::string name = fmt::format("busy-{}", which);
  Response told = response();
  told.add_removed_resources(resource_name(name));
  busy_.erase(which);
  Message sent = message(told, Outcome::kAck);
  sent.dropped = {resource_name(name)};
  return {.what = "", .messages = {sent}, .answers = {{name + ".mesh", {"NXDOMAIN"}}}};
}

Step HostileScript::partly_bad() {
  Step step = change();
  Response told;
  told.ParseFromString(step.messages[0].bytes);
  const Service bad = service("calm-1", "not an address");
  add(told, bad, next_version());
  add(told, service("calm-2", "192.0.2.200"), next_version()).mutable_resource()->set_type_url("x");
  told.add_removed_resources("default/nobody");
  Message& sent = step.messages[0];
  sent.bytes = told.SerializeAsString();
  sent.outcome = Outcome::kNack;
  sent.faults = {"default/calm-1: addresses: 'not", "default/calm-2: is a x"};
  return step;
}

Step HostileScript::flipped_bits() {
  Service whole = service("fuzz-0", new_address());
  whole.add_ports()->set_number(80);
  (*whole.mutable_tags())["version"] = "1";
  std::string bytes = whole.SerializeAsString();
  for (std::size_t flips = draw(1, 8); flips > 0; --flips) {
    char& octet = bytes.at(draw(0, bytes.size() - 1));
    octet = static_cast<char>(octet ^ static_cast<char>(1U << draw(0, 7)));
  }
  return chance(bytes);
}

Step HostileScript::truncated() {
  const std::string bytes = service("fuzz-0", new_address()).SerializeAsString();
  return chance(bytes.substr(0, draw(0, bytes.size() - 1)));
}

Step HostileScript::wrong_type() {
  Response told = response();
  add(told, service("calm-0", "192.0.2.200"), next_version())
      .mutable_resource()
      ->set_type_url("type.googleapis.com/envoy.config.cluster.v3.Cluster");
  return {.what = "",
          .messages = {message(told, Outcome::kNack, {"default/calm-0: is a type.googleapis"})}};
}

Step HostileScript::nameless() {
  Response told = response();
  add(told, service("calm-0", "192.0.2.200"), next_version()).clear_name();
  return {.what = "",
          .messages = {message(told, Outcome::kNack, {"(unnamed): the resource says"})}};
}

Step HostileScript::another_mesh() {
  Service stranger = service("calm-0", "192.0.2.200");
  stranger.set_mesh(draw(0, 1) == 0 ? "other" : "default.");
  Response told = response();
  add(told, stranger, next_version()).set_name(stranger.mesh() + "/calm-0");
  return {.what = "",
          .messages = {message(told, Outcome::kNack, {stranger.mesh() + "/calm-0: mesh: '"})}};
}

Step HostileScript::another_name() {
  Response told = response();
  add(told, service("calm-1", "192.0.2.200"), next_version()).set_name("default/calm-2");
  return {.what = "",
          .messages = {message(told, Outcome::kNack, {"default/calm-2: the resource says it is"})}};
}

Step HostileScript::duplicates() {
  Response told = response();
  for (std::size_t times = draw(2, 5); times > 0; --times) {
    add(told, service("busy-0", new_address()), next_version());
  }
  return {.what = "",
          .messages = {message(told, Outcome::kNack, {"default/busy-0: stands more than once"})}};
}

Step HostileScript::sent_and_removed() {
  Response told = response();
  add(told, service("calm-3", "192.0.2.200"), next_version());
  told.add_removed_resources("default/calm-3");
  return {.what = "",
          .messages = {message(told, Outcome::kNack, {"default/calm-3: is both sent and"})}};
}

Step HostileScript::unknown_removals() {
  Response told = response();
  for (std::size_t names = draw(1, 100); names > 0; --names) {
    told.add_removed_resources(fmt::format("default/nobody-{}", draw(0, 1000)));
  }
  for (const char* const name :
       {"", "/", "calm-0", "default", "other/calm-0", "default/calm-0/x"}) {
    told.add_removed_resources(name);
  }
  return {.what = "", .messages = {message(told, Outcome::kAck)}};
}

Step HostileScript::nonce_missing() {
  Step step = change();
  Response told;
  told.ParseFromString(step.messages[0].bytes);
  told.clear_nonce();
  step.messages[0].bytes = told.SerializeAsString();
  step.messages[0].nonce.clear();
  return step;
}

Step HostileScript::nonce_huge() {
  Response told = response();
  told.set_nonce(std::string(100'000, 'n'));
  return {.what = "", .messages = {message(told, Outcome::kAck)}};
}

Step HostileScript::nonce_again() {
  Step step = change();
  Response told;
  told.ParseFromString(step.messages[0].bytes);
  told.set_nonce("again");
  step.messages[0].bytes = told.SerializeAsString();
  step.messages[0].nonce = "again";
  return step;
}

Step HostileScript::version_again() {
  const int which = static_cast<int>(draw(0, kBusy - 1));
  const std::string name = fmt::format("busy-{}", which);
  const std::string address = new_address();
  const std::string version = busy_.contains(which) ? busy_[which] : next_version();
  busy_[which] = version;
  Response told = response();
  add(told, service(name, address), version);
  Message sent = message(told, Outcome::kAck);
  sent.taken[resource_name(name)] = version;
  return {.what = "", .messages = {sent}, .answers = {{name + ".mesh", {address}}}};
}

Step HostileScript::heartbeat() {
  if (busy_.empty()) {
    return change();
  }
  const auto& [which, version] = *busy_.begin();
  Response told = response();
  Resource& beat = *told.add_resources();
  beat.set_name(fmt::format("default/busy-{}", which));
  beat.set_version(version);
  return {.what = "", .messages = {message(told, Outcome::kAck)}};
}

Step HostileScript::heartbeat_of_nobody() {
  Response told = response();
  Resource& beat = *told.add_resources();
  beat.set_name(draw(0, 1) == 0 ? "default/nobody" : "default/calm-0");
  beat.set_version("never");
  return {.what = "", .messages = {message(told, Outcome::kNack, {beat.name() + ": has no body"})}};
}

Step HostileScript::octets_in_name() {
  Step step = change();
  const std::string name = "default/" + all_octets();
  Message& sent = step.messages[0];
  sent.bytes += field(2, field(3, name) + field(1, "v"));
  sent.outcome = Outcome::kNack;
  sent.faults = {printable(name) + ": is damaged"};
  return step;
}

Step HostileScript::control_characters_in_name() {
  const std::string name = std::string("fuzz\x01\x1b[2J\n\t\x7f") + "\xc3\xa9\xe2\x80\xae";
  Service strange = service(name, new_address());
  strange.clear_hostnames();
  Response told = response();
  const std::string version = next_version();
  add(told, strange, version);
  Message sent = message(told, Outcome::kAck);
  sent.taken[resource_name(name)] = version;
  return {.what = "", .messages = {sent}};
}

Step HostileScript::bad_hostname() {
  const std::vector<std::string> hostnames{
      "",
      ".",
      "a..mesh",
      ".a.mesh",
      "a.mesh.",
      std::string(64, 'a') + ".mesh",
      std::string(300, 'a'),
      std::string(250, '.'),
      "a b.mesh",
      "a\\046.mesh",
      std::string("a\0b.mesh", 8),
      "\xc3\xa9.mesh",
  };
  Service bad = service("calm-4", "192.0.2.200");
  bad.add_hostnames(hostnames.at(draw(0, hostnames.size() - 1)));
  return refused(bad, "hostnames: '");
}

Step HostileScript::many_hostnames() {
  Service bad = service("calm-5", "192.0.2.200");
  for (int i = 0; i < 5000; ++i) {
    bad.add_hostnames(fmt::format("calm-5-{}.mesh", i));
  }
  return refused(bad, "hostnames: 5001 are more");
}

Step HostileScript::deep_value() {
  Response told = response();
  add(told, service("calm-6", "192.0.2.200"), next_version())
      .mutable_resource()
      ->set_value(std::string(draw(200, 100'000), kStartGroup));
  return {.what = "",
          .messages = {message(told, Outcome::kNack, {"default/calm-6: the value is"})}};
}

Step HostileScript::deep_resource() {
  Step step = change();
  Message& sent = step.messages[0];
  sent.bytes += field(2, field(3, "default/calm-7") + std::string(draw(200, 100'000), kStartGroup));
  sent.outcome = Outcome::kNack;
  sent.faults = {"default/calm-7: is damaged"};
  return step;
}

Step HostileScript::long_strings() {
  Service large = service("fuzz-1", new_address());
  (*large.mutable_tags())[std::string(1 << 20U, 'k')] = std::string(1 << 20U, 'v');
  large.set_zone(std::string(1 << 20U, 'z'));
  large.add_ports()->set_name(std::string(1 << 20U, 'p'));
  large.mutable_ports(0)->set_number(80);
  Response told = response();
  const std::string version = next_version();
  add(told, large, version);
  Message sent = message(told, Outcome::kAck);
  sent.taken[resource_name("fuzz-1")] = version;
  return {.what = "", .messages = {sent}};
}

Step HostileScript::bad_address() {
  const std::vector<std::string> addresses{"",          "0.0.0.0",       "::",       "1.2.3",
                                           "1.2.3.256", "host.mesh",     " 1.2.3.4", "fe80::1%lo",
                                           "1.2.3.4/8", "[2001:db8::1]", "\x01"};
  Service bad = service("calm-8", "192.0.2.200");
  bad.add_addresses(addresses.at(draw(0, addresses.size() - 1)));
  return refused(bad, "addresses: '");
}

Step HostileScript::bad_port() {
  Service bad = service("calm-9", "192.0.2.200");
  bad.add_ports()->set_number(80);
  const std::vector<std::uint32_t> numbers{0, 80, 65'536, 4'294'967'295};
  bad.add_ports()->set_number(numbers.at(draw(0, numbers.size() - 1)));
  return refused(bad, "ports: ");
}

Step HostileScript::type_not_asked_for() {
  Response told = response("type.googleapis.com/envoy.config.listener.v3.Listener");
  add(told, service("calm-0", "192.0.2.200"), next_version());
  return {.what = "", .messages = {message(told, Outcome::kNoReply)}};
}

// No resource is bad by itself; whose address it is only the resolver knows.
Step HostileScript::stolen_address() {
  Response told = response();
  const std::string version = next_version();
  add(told, service("thief", leased_address_), version);
  Message sent = message(told, Outcome::kAck);
  sent.taken[resource_name("thief")] = version;
  return {.what = "", .messages = {sent}, .answers = {{"thief.mesh", {"SERVFAIL"}}}};
}

Step HostileScript::stolen_hostname() {
  Response told = response();
  Service claimant = service("claimant", new_address());
  for (int i = 0; i < kCalm; ++i) {
    claimant.add_hostnames(fmt::format("CALM-{}.mesh", i));
  }
  const std::string version = next_version();
  add(told, claimant, version);
  Message sent = message(told, Outcome::kAck);
  sent.taken[resource_name("claimant")] = version;
  return {.what = "", .messages = {sent}};
}

// The same service again and again, older versions after newer ones: what comes last counts.
Step HostileScript::burst() {
  Step all = change();
  for (int i = 0; i < 19; ++i) {
    Step one = draw(0, 3) == 0 ? remove() : change();
    all.messages.push_back(one.messages[0]);
    if (draw(0, 3) == 0) {
      all.messages.push_back(duplicates().messages[0]);
    }
    for (const auto& [name, answers] : one.answers) {
      all.answers[name].insert(all.answers[name].end(), answers.begin(), answers.end());
    }
  }
  return all;
}

// It goes again in parts, none of which is so much of the table that it would be held down.
Step HostileScript::bulk() {
  const auto name_of = [](std::size_t i) { return fmt::format("bulk-{}", i); };
  Response told = response();
  const std::string version = next_version();
  Message came = message(told, Outcome::kAck);
  for (std::size_t i = 0; i < bulk_; ++i) {
    add(told, service(name_of(i), fmt::format("198.18.{}.{}", i / 256 % 256, i % 256)), version);
  }
  came.bytes = told.SerializeAsString();
  Step step{.what = fmt::format(" of {} services", bulk_), .messages = {came}};
  std::size_t left = bulk_;
  while (left > 0) {
    Response gone = response();
    const std::size_t part = std::min(left, (left + kCalm) * 2 / 5);
    for (std::size_t i = 0; i < part; ++i) {
      gone.add_removed_resources(resource_name(name_of(--left)));
    }
    step.messages.push_back(message(gone, Outcome::kAck));
  }
  return step;
}

Step HostileScript::bad_endpoints() {
  Response told = response(kEndpointsType);
  Resource& bad = *told.add_resources();
  bad.set_name("default/calm-0");
  bad.set_version(next_version());
  bad.mutable_resource()->set_type_url(kEndpointsType);
  std::string reason;
  switch (draw(0, 3)) {
    case 0:
      bad.mutable_resource()->set_value(endpoints_value("default/calm-0", "0.0.0.0"));
      reason = "endpoint address: '";
      break;
    case 1:
      bad.mutable_resource()->set_value(endpoints_value("calm-0", "192.0.2.1"));
      reason = "cluster_name: 'calm-0' is no";
      break;
    case 2:
      bad.mutable_resource()->set_value(endpoints_value("other/calm-0", "192.0.2.1"));
      reason = "cluster_name: 'other/calm-0' is not";
      break;
    default:
      bad.mutable_resource()->set_value(std::string(1000, kStartGroup));
      reason = "the value is no";
  }
  Message sent = message(told, Outcome::kNack, {"default/calm-0: " + reason});
  sent.type_url = kEndpointsType;
  return {.what = "", .messages = {sent}};
}

Step HostileScript::good_endpoints() {
  Response told = response(kEndpointsType);
  Resource& good = *told.add_resources();
  good.set_name("default/calm-0");
  good.set_version(next_version());
  good.mutable_resource()->set_type_url(kEndpointsType);
  const std::string address = new_address();
  good.mutable_resource()->set_value(endpoints_value("default/calm-0", address));
  Message sent = message(told, Outcome::kAck);
  sent.type_url = kEndpointsType;
  sent.taken[good.name()] = good.version();
  return {.what = "the endpoints", .messages = {sent}, .answers = {{"one.calm-0.mesh", {address}}}};
}

Step HostileScript::empty() {
  return {.what = "", .messages = {message(response(), Outcome::kAck)}};
}

Step HostileScript::no_message() {
  std::string bytes(draw(0, 1000), '\0');
  std::ranges::generate(bytes, [this] { return static_cast<char>(draw(0, 255)); });
  Message sent;
  sent.bytes = field(15, bytes) + "\x2a\x7f";  // a nonce that is longer than what is there
  sent.outcome = Outcome::kStreamLost;
  return {.what = "", .messages = {sent}};
}

Step HostileScript::too_large() {
  Response told = response();
  told.set_system_version_info(std::string(kTooLarge, 'v'));
  return {.what = "", .messages = {message(told, Outcome::kStreamLost)}};
}

Step HostileScript::status() {
  std::string text(draw(0, 200), ' ');
  std::ranges::generate(text, [this] { return static_cast<char>(draw(0, 255)); });
  return {.what = "",
          .messages = {},
          .ending = Ending::kStatus,
          .status_code = static_cast<int>(draw(0, 16)),
          .status_text = text};
}

Step HostileScript::unimplemented() {
  Step step = status();
  step.ending = Ending::kUnimplemented;
  return step;
}

// --- Pieces ---

std::size_t HostileScript::draw(std::size_t least, std::size_t most) {
  return std::uniform_int_distribution<std::size_t>(least, most)(random_);
}

std::string HostileScript::next_nonce() { return fmt::format("n{}", ++nonces_); }

std::string HostileScript::next_version() { return fmt::format("v{}", ++versions_); }

HostileScript::Response HostileScript::response(const std::string& type_url) {
  Response made;
  made.set_type_url(type_url);
  made.set_nonce(next_nonce());
  return made;
}

HostileScript::Service HostileScript::service(const std::string& name, const std::string& address) {
  Service made;
  made.set_mesh("default");
  made.set_name(name);
  made.add_hostnames(name + ".mesh");
  if (!address.empty()) {
    made.add_addresses(address);
  }
  return made;
}

HostileScript::Resource& HostileScript::add(Response& response, const Service& service,
                                            const std::string& version) {
  Resource& resource = *response.add_resources();
  resource.set_name(service.mesh() + "/" + service.name());
  resource.set_version(version);
  resource.mutable_resource()->set_type_url(kServiceType);
  resource.mutable_resource()->set_value(service.SerializeAsString());
  return resource;
}

std::string HostileScript::new_address() {
  ++addresses_;
  return fmt::format("203.0.{}.{}", addresses_ / 250 % 250, addresses_ % 250 + 1);
}

Message HostileScript::message(const Response& response, Outcome outcome,
                               std::vector<std::string> faults) {
  return {.bytes = response.SerializeAsString(),
          .nonce = response.nonce(),
          .outcome = outcome,
          .faults = std::move(faults),
          .type_url = response.type_url()};
}

Step HostileScript::refused(const Service& service, const std::string& reason) {
  Response told = response();
  add(told, service, next_version());
  return {
      .what = "",
      .messages = {message(told, Outcome::kNack, {"default/" + service.name() + ": " + reason})}};
}

Step HostileScript::chance(const std::string& bytes) {
  Response told = response();
  const std::string version = next_version();
  Resource& resource = add(told, service("fuzz-0", "192.0.2.200"), version);
  resource.mutable_resource()->set_value(bytes);
  Message sent = message(told, Outcome::kEither, {"default/fuzz-0: "});
  sent.taken[resource.name()] = version;
  return {.what = "", .messages = {sent}};
}

}  // namespace meshdns::support
