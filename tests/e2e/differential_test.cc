// The same zones and the same questions to meshdns and to Knot: rcode, flags and sections agree,
// apart from what is listed here.
#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/ldns_judge.h"
#include "tests/support/peers.h"
#include "tests/support/programs.h"

namespace meshdns::support {
namespace {

constexpr std::size_t kQuestions = 100'000;
constexpr std::size_t kBatch = 32;
constexpr int kServices = 150;
constexpr std::array<std::string_view, 5> kProtocols{"http", "tcp", "http2", "kafka", "grpc"};
constexpr std::chrono::seconds kSilence{5};
constexpr unsigned kSilent = 0xffff;  // stands for the rcode of a reply that did not come

// A kind of questions to which the two answer differently, on purpose.
struct KeptDifference {
  unsigned type;
  unsigned qclass;
  unsigned rcode;  // ours
  std::string_view reason;
};

constexpr unsigned kIn = 1;
constexpr unsigned kClassAny = 255;
constexpr unsigned kNoError = 0;
constexpr unsigned kNotImp = 4;
constexpr unsigned kRefused = 5;
constexpr std::string_view kNoMetaData =
    "RFC 6895 section 3.1: not a type of data; Knot looks for such records";
constexpr std::string_view kOneClass = "class ANY is not answered with data of class IN";
constexpr std::array kKept{
    KeptDifference{249, kIn, kNotImp, kNoMetaData},  // TKEY
    KeptDifference{253, kIn, kNotImp, kNoMetaData},  // MAILB
    KeptDifference{254, kIn, kNotImp, kNoMetaData},  // MAILA
    KeptDifference{251, kIn, kRefused, "IXFR: Knot says NOTAUTH, we transfer nothing to anybody"},
    KeptDifference{252, kIn, kRefused, "AXFR: Knot says NOTIMP over UDP"},
    KeptDifference{255, kIn, kNoError, "RFC 8482: one RRset of the apex, theirs NS and ours SOA"},
    KeptDifference{1, kClassAny, kRefused, kOneClass},
    KeptDifference{12, kClassAny, kRefused, kOneClass},
    KeptDifference{28, kClassAny, kRefused, kOneClass},
    KeptDifference{255, kClassAny, kRefused, kOneClass},
};

constexpr const char* kReverse4 = "96.10.in-addr.arpa";
constexpr const char* kReverse6 = "3.7.e.6.4.6.8.6.3.7.5.6.d.6.d.f.ip6.arpa";
constexpr std::array kMeshApexes{"mesh", kReverse4, kReverse6};

struct Question {
  std::string name;
  unsigned type = 1;
  unsigned qclass = 1;
  Octets octets = {};
  std::string description = {};
};

// What is compared of a reply.
struct Seen {
  unsigned rcode = 0;
  bool aa = false;
  bool tc = false;
  std::set<std::string> answer;
  std::set<std::string> authority;
  std::set<std::string> additional;

  friend bool operator==(const Seen&, const Seen&) = default;
};

Seen seen_in(const JudgedMessage& message) {
  const auto set_of = [](const std::vector<std::string>& records) {
    std::set<std::string> set;
    for (std::string record : records) {
      // Names that are compressed against the question take over its case.
      std::ranges::transform(record, record.begin(),
                             [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      set.insert(std::move(record));
    }
    return set;
  };
  return {.rcode = message.rcode | message.extended_rcode << 4U,
          .aa = message.aa,
          .tc = message.tc,
          .answer = set_of(message.answer),
          .authority = set_of(message.authority),
          .additional = set_of(message.additional)};
}

std::string to_text(const std::optional<Seen>& seen) {
  return seen ? fmt::format("rcode {}{}{} answer {} authority {} additional {}", seen->rcode,
                            seen->aa ? " aa" : "", seen->tc ? " tc" : "", seen->answer,
                            seen->authority, seen->additional)
              : "no reply";
}

// Draws questions: names that exist, that do not, and that lie between; every kind of type, class,
// flag and EDNS.
class Questions {
 public:
  explicit Questions(std::vector<std::string> names) : names_(std::move(names)) {}

  Question draw() {
    Question question{.name = name(), .type = pick<unsigned>(kTypes)};
    QueryOptions options;
    options.id = next_id_++;
    options.flags = pick<std::uint16_t>(kFlags);
    if (one_in(20)) {
      options.qclass = pick<std::uint16_t>(kClasses);
      question.type = pick<unsigned>(std::array{1U, 6U, 12U, 16U, 28U, 65280U});
    } else if (one_in(100)) {
      options.qclass = kClassAny;
      question.type = pick<unsigned>(std::array{1U, 12U, 28U, 255U});
    }
    question.qclass = options.qclass;
    MessageBytes message;
    const bool opt = !one_in(3);
    message.header(options.id, options.flags, 1, 0, 0, opt ? 1 : 0);
    message.question(question.name, question.type, options.qclass);
    std::string edns = "no EDNS";
    if (opt) {
      const auto size = pick<unsigned>(kSizes);
      const auto ttl = pick<std::uint32_t>(kOptTtls);
      const Octets& extra = options_[random_() % options_.size()];
      message.opt(size, ttl, extra);
      edns = fmt::format("EDNS size {} ttl {:#x} options {:02x}", size, ttl, fmt::join(extra, ""));
    }
    question.octets = message.bytes();
    question.description = fmt::format("{} type {} class {} flags {:#06x} {}", question.name,
                                       question.type, options.qclass, options.flags, edns);
    return question;
  }

 private:
  static constexpr std::array kTypes{
      1U,  1U,  1U,  28U, 28U, 2U,   5U,   6U,   12U,  12U,  13U,  15U,  16U,   33U,    35U,
      43U, 48U, 64U, 65U, 99U, 249U, 251U, 252U, 253U, 254U, 255U, 257U, 1000U, 65280U, 65535U};
  static constexpr std::array<std::uint16_t, 8> kFlags{0,      0x0100, 0x0110, 0x0120,
                                                       0x0130, 0x0140, 0x0500, 0x0300};
  static constexpr std::array<std::uint16_t, 3> kClasses{3, 4, 254};
  static constexpr std::array kSizes{0U, 100U, 512U, 1232U, 1400U, 4096U, 65535U};
  static constexpr std::array kOptTtls{0U, 0U, 0U, 0x8000U, 0x4000U, 0x0001U, 0x10000U, 0xff8000U};
  const std::array<Octets, 4> options_{Octets{}, Octets{}, Octets{0xfd, 0xe9, 0, 2, 1, 2},
                                       Octets{0, 8, 0, 8, 0, 1, 32, 0, 192, 0, 2, 1}};

  template <typename T, typename List>
  T pick(const List& list) {
    return static_cast<T>(list[random_() % list.size()]);
  }
  bool one_in(unsigned count) { return random_() % count == 0; }

  std::string name() {
    std::string name = names_[random_() % names_.size()];
    switch (random_() % 8) {
      case 0:
        name = fmt::format("x{}.{}", random_() % 1000, name);
        break;
      case 1:
        name = "a.b." + name;
        break;
      case 2:  // a sibling, or the parent; the apexes have neither in their zones
        if (name != "corp.example" && std::ranges::find(kMeshApexes, name) == kMeshApexes.end()) {
          name = (one_in(2) ? "nope." : "") + name.substr(name.find('.') + 1);
        }
        break;
      case 3:
        for (char& c : name) {
          c = one_in(2) ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
        }
        break;
      case 4:
        name = "*." + name;
        break;
      default:
        break;
    }
    return name;
  }

  std::vector<std::string> names_;
  std::mt19937 random_{20};  // NOLINT(bugprone-random-generator-seed): the same questions each time
  std::uint16_t next_id_ = 0;
};

// Sends a batch and takes the replies, by id.
std::map<std::uint16_t, Seen> exchange(int socket, const std::vector<Question>& batch) {
  for (const Question& question : batch) {
    EXPECT_TRUE(send_message(socket, DnsTransport::kUdp, question.octets));
  }
  std::map<std::uint16_t, Seen> replies;
  while (replies.size() < batch.size()) {
    const auto octets = receive_message(socket, DnsTransport::kUdp, kSilence);
    if (!octets) {
      break;
    }
    const auto message = judge(*octets);
    EXPECT_TRUE(message.has_value()) << "ldns cannot read a reply";
    if (message) {
      replies.emplace(message->id, seen_in(*message));
    }
  }
  return replies;
}

std::string only_record(const SocketAddress& server, const std::string& name,
                        const std::string& type) {
  const auto reply = ask(server, {.name = name, .type = type});
  return reply && reply->message().answer.size() == 1 ? reply->message().answer[0] : "";
}

// Asks both kQuestions about these names and reports where they differ but for `kept`.
void compare(const SocketAddress& our_address, const SocketAddress& their_address,
             const std::vector<std::string>& names, std::span<const KeptDifference> kept_here) {
  const UniqueFd ours = connect_socket(our_address, DnsTransport::kUdp);
  const UniqueFd theirs = connect_socket(their_address, DnsTransport::kUdp);
  Questions questions(names);
  // By type, class and our rcode: how many, and one of them.
  std::map<std::tuple<unsigned, unsigned, unsigned>, std::pair<std::size_t, std::string>>
      differences;
  for (std::size_t asked = 0; asked < kQuestions; asked += kBatch) {
    std::vector<Question> batch;
    for (std::size_t i = 0; i < kBatch; ++i) {
      batch.push_back(questions.draw());
    }
    const auto our_replies = exchange(ours.get(), batch);
    const auto their_replies = exchange(theirs.get(), batch);
    for (const Question& question : batch) {
      const auto id = static_cast<std::uint16_t>(question.octets[0] << 8U | question.octets[1]);
      const auto find = [id](const auto& replies) {
        const auto found = replies.find(id);
        return found == replies.end() ? std::nullopt : std::optional(found->second);
      };
      const auto our_reply = find(our_replies);
      const auto their_reply = find(their_replies);
      if (our_reply == their_reply) {
        continue;
      }
      auto& [count, example] =
          differences[{question.type, question.qclass, our_reply ? our_reply->rcode : kSilent}];
      ++count;
      if (example.empty()) {
        example = fmt::format("{}\n  ours: {}\n  Knot: {}", question.description,
                              to_text(our_reply), to_text(their_reply));
      }
    }
  }
  for (const auto& [what, found] : differences) {
    const auto& [type, qclass, rcode] = what;
    const bool kept = std::ranges::any_of(kept_here, [&](const KeptDifference& difference) {
      return what == std::tuple(difference.type, difference.qclass, difference.rcode);
    });
    EXPECT_TRUE(kept) << fmt::format("{} of type {} class {} rcode {}, e.g. {}", found.first, type,
                                     qclass, rcode, found.second);
  }
  for (const KeptDifference& difference : kept_here) {
    EXPECT_TRUE(differences.contains({difference.type, difference.qclass, difference.rcode}))
        << "no longer differs: type " << difference.type << ", " << difference.reason;
  }
}

class Differential : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < kServices; ++i) {
      const std::string service = i % 10 == 0   ? fmt::format("deep-{}.at.tier{}", i, i % 3)
                                  : i % 10 == 1 ? fmt::format("shop_ns{}_svc_80", i)
                                                : fmt::format("svc-{}", i);
      const std::uint16_t port = i % 4 == 0 ? 443 : 8080;
      control_plane_.put(
          {.name = fmt::format("dp-{}", i),
           .service = service,
           .port = port,
           .protocol = std::string(kProtocols.at(std::size_t(i) % kProtocols.size()))});
      services_.push_back(service + ".mesh");
    }
    control_plane_.start();
    resolver_.start_ready(control_plane_,
                          {"--vip-ipv6", "true", "--vip-ipv4-pool", "10.96.0.0/16"});
  }

  // The zones as Knot shall serve them: what we say of each name, asked one by one.
  std::vector<ZoneFile> zone_files() {
    std::map<std::string, std::string> zones;  // by apex
    for (const char* const apex : kMeshApexes) {
      zones[apex] = only_record(resolver_.dns(), apex, "SOA") + "\n" +
                    only_record(resolver_.dns(), apex, "NS") + "\n";
      names_.emplace_back(apex);
    }
    for (const std::string& service : services_) {
      add_host(zones, service);
      if (std::string dotted = service; dotted.find('_') != std::string::npos) {
        std::ranges::replace(dotted, '_', '.');
        add_host(zones, dotted);
      }
    }
    std::vector<ZoneFile> files;
    for (auto& [apex, text] : zones) {
      files.push_back({apex, std::move(text)});
    }
    return files;
  }

  // What we say of the ports of a service, at its name and below it.
  void add_ports(std::map<std::string, std::string>& zones, const std::string& name) {
    const auto add = [&](const std::string& owner, const std::string& type) {
      if (const std::string record = only_record(resolver_.dns(), owner, type); !record.empty()) {
        zones["mesh"] += record + "\n";
        if (owner != name) {
          names_.push_back(owner);
        }
      }
    };
    for (const char* const type : {"SRV", "SVCB", "HTTPS"}) {
      add(name, type);
    }
    names_.push_back("_tcp." + name);
    for (const char* const label : {"443", "8080", "http", "http2", "grpc", "kafka", "tcp"}) {
      add(fmt::format("_{}._tcp.{}", label, name), "SRV");
      add(fmt::format("_{}._https.{}", label, name), "HTTPS");
    }
  }

  void add_host(std::map<std::string, std::string>& zones, const std::string& name) {
    names_.push_back(name);
    for (const char* const type : {"A", "AAAA"}) {
      const std::string record = only_record(resolver_.dns(), name, type);
      ASSERT_NE(record, "") << name;
      zones["mesh"] += record + "\n";
      const auto address = IpAddress::parse(record.substr(record.rfind(' ') + 1)).value();
      const std::string reverse = reverse_name(address);
      const std::string pointer = only_record(resolver_.dns(), reverse, "PTR");
      ASSERT_NE(pointer, "") << reverse;
      if (std::ranges::find(names_, reverse) == names_.end()) {
        names_.push_back(reverse);
        zones[address.is_v4() ? kReverse4 : kReverse6] += pointer + "\n";
      }
    }
    add_ports(zones, name);
  }

  static std::string reverse_name(const IpAddress& address) {
    std::string name;
    for (const std::uint8_t octet : address.octets()) {
      name = address.is_v4() ? fmt::format("{}.{}", octet, name)
                             : fmt::format("{:x}.{:x}.{}", octet & 15U, octet >> 4U, name);
    }
    return name + (address.is_v4() ? "in-addr.arpa" : "ip6.arpa");
  }

  ControlPlaneProgram control_plane_;
  ResolverProgram resolver_;
  std::vector<std::string> services_;
  std::vector<std::string> names_;
};

TEST_F(Differential, KnotAnswersAlikeFromTheSameZones) {
  const auto knot = PeerServer::knot(zone_files());
  compare(resolver_.dns(), knot->address(), names_, kKept);
}

// What operators write: every way that zone files have of saying things.
constexpr const char* kCorpZone =
    "$ORIGIN corp.example.\n"
    "$TTL 300\n"
    "@ SOA ns hostmaster 2026 3600 600 86400 20\n"
    "@ NS ns\n"
    "@ NS ns2\n"
    "@ MX 10 mail\n"
    "@ TXT \"v=spf1 -all\" \"second\"\n"
    "ns A 192.0.2.53\n"
    "ns2 A 192.0.2.54\n"
    "ns2 AAAA 2001:db8::54\n"
    "mail A 192.0.2.25\n"
    "mail 60 A 192.0.2.26\n"
    "www CNAME web\n"
    "web A 192.0.2.80\n"
    "web AAAA 2001:db8::80\n"
    "web HTTPS 1 . alpn=h2\n"
    "chain CNAME chain2\n"
    "chain2 CNAME chain3\n"
    "chain3 CNAME www\n"
    "lost CNAME nowhere\n"
    "toempty CNAME b.empty\n"
    "a.b.empty TXT \"deep\"\n"
    "*.wild A 192.0.2.99\n"
    "*.wild TXT \"wild\"\n"
    "known.wild MX 5 mail\n"
    "a.below.wild A 192.0.2.98\n"
    "*.cwild CNAME web\n"
    "*.lostwild CNAME nowhere\n"
    "towild CNAME any.wild\n"
    "_sip._tcp SRV 1 2 5060 web\n"
    "host CAA 0 issue \"ca.example\"\n"
    "host NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.com!\" .\n"
    "host SSHFP 1 1 0123456789abcdef0123456789abcdef01234567\n"
    "host TYPE65280 \\# 4 c00c0001\n"
    "big TXT \"0\"\n";

constexpr std::string_view kGlue = "Knot adds the addresses of the names in it";
constexpr std::array kKeptOfFiles{
    KeptDifference{249, kIn, kNotImp, kNoMetaData},
    KeptDifference{253, kIn, kNotImp, kNoMetaData},
    KeptDifference{254, kIn, kNotImp, kNoMetaData},
    KeptDifference{251, kIn, kRefused, "IXFR: Knot says NOTAUTH, we transfer nothing to anybody"},
    KeptDifference{252, kIn, kRefused, "AXFR: Knot says NOTIMP over UDP"},
    KeptDifference{255, kIn, kNoError, "RFC 8482: one RRset, which may be another"},
    KeptDifference{1, kClassAny, kRefused, kOneClass},
    KeptDifference{12, kClassAny, kRefused, kOneClass},
    KeptDifference{28, kClassAny, kRefused, kOneClass},
    KeptDifference{255, kClassAny, kRefused, kOneClass},
    KeptDifference{2, kIn, kNoError, kGlue},
    KeptDifference{15, kIn, kNoError, kGlue},
    KeptDifference{33, kIn, kNoError, kGlue},
};

TEST(DifferentialFiles, KnotAnswersAlikeFromTheSameZoneFile) {
  std::string zone(kCorpZone);
  for (int i = 1; i < 40; ++i) {
    zone += fmt::format("big TXT \"{}{}\"\n", i, std::string(100, 'x'));
  }
  ResolverProgram resolver;
  resolver.start({"--zone-file", resolver.folder().write("corp.zone", zone)});
  const auto knot = PeerServer::knot({{"corp.example", zone}});
  std::vector<std::string> names;
  for (const char* const name :
       {"@",          "ns",       "ns2",        "mail",         "www",        "web",
        "chain",      "chain2",   "lost",       "toempty",      "a.b.empty",  "b.empty",
        "x.wild",     "x.y.wild", "known.wild", "a.below.wild", "below.wild", "q.cwild",
        "q.lostwild", "towild",   "_sip._tcp",  "host",         "big"}) {
    names.push_back(name == std::string("@") ? "corp.example"
                                             : name + std::string(".corp.example"));
  }
  compare(resolver.dns(), knot->address(), names, kKeptOfFiles);
}

}  // namespace
}  // namespace meshdns::support
