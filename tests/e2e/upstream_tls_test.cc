// DNS over TLS to a real unbound: the right certificate, every wrong one, and connections that die.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/dns_client.h"
#include "tests/support/peers.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/tcp_relay.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kName = "www.example.org";
constexpr const char* kServerName = "dns.example.org";
constexpr int kNetworkError = 23;  // RFC 8914 section 4.24

class UpstreamTls : public testing::Test {
 protected:
  // unbound with this certificate, over TLS on a port of its own.
  void serve(const std::string& certified, int days = 1) {
    authority_.certify(certified, days);
    port_ = free_port();
    unbound_ = PeerServer::unbound(fmt::format(
        "  interface: 127.0.0.1@{}\n"
        "  tls-port: {}\n"
        "  tls-service-key: {}\n"
        "  tls-service-pem: {}\n"
        "  incoming-num-tcp: 100\n"
        "  local-zone: \"example.org.\" redirect\n"
        "  local-data: \"example.org. 60 IN A 192.0.2.1\"\n",
        port_, port_, authority_.key_of(certified), authority_.certificate_of(certified)));
  }
  [[nodiscard]] std::string server(const std::string& rest) const {
    return "tls://" + loopback(port_).to_string() + rest;
  }
  [[nodiscard]] std::string by_name(const std::string& name = kServerName) const {
    return server("#" + name + ";ca=" + authority_.file(".pem"));
  }
  void start(const std::string& upstream) {
    resolver_.start({"--upstream", upstream, "--cache-size", "0MiB"});
  }
  void expect_answer(const std::string& name = kName) {
    const auto reply = ask(resolver_.dns(), {.name = name});
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->rcode(), "NOERROR") << resolver_.log();
    EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.1"));
  }
  // SERVFAIL at once, with a log line that names the server and says why.
  void expect_refusal(const std::string& why) {
    const auto reply = ask(resolver_.dns(), {.name = kName});
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->rcode(), "SERVFAIL");
    EXPECT_EQ(reply->extended_error_code(), kNetworkError);
    EXPECT_TRUE(wait_until([&] { return resolver_.log().find(why) != std::string::npos; }))
        << resolver_.log();
    EXPECT_THAT(resolver_.log(), HasSubstr("upstream cannot be used server=tls://127.0.0.1:"));
  }

  CertificateAuthority authority_{"authority"};
  std::uint16_t port_ = 0;
  std::unique_ptr<PeerServer> unbound_;
  ResolverProgram resolver_;
};

TEST_F(UpstreamTls, UnboundAnswersWhoIsKnownByName) {
  serve(kServerName);
  start(by_name());
  expect_answer();
  const auto reply = ask(resolver_.dns(), {.name = "tcp.example.org"}, DnsTransport::kTcp);
  ASSERT_TRUE(reply.has_value());
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(resolver_.get("/metrics").body,
              HasSubstr(fmt::format("upstream=\"{}\"", server("#dns.example.org"))));
}

TEST_F(UpstreamTls, UnboundAnswersWhoIsKnownByItsKey) {
  serve(kServerName);
  const std::string pin = ";pin=" + authority_.pin_of(kServerName);
  const std::string other = ";pin=sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  start(server(other + pin));
  expect_answer();
}

TEST_F(UpstreamTls, AnotherNameIsRefused) {
  serve("other.example.org");
  start(by_name());
  expect_refusal("its certificate is not to be trusted as dns.example.org: hostname mismatch");
}

TEST_F(UpstreamTls, AnotherKeyIsRefusedWhateverTheName) {
  serve(kServerName);
  start(by_name() + ";pin=sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  expect_refusal("its key is none of the pinned ones");
}

TEST_F(UpstreamTls, AnAuthorityThatNobodyTrustsIsRefused) {
  serve(kServerName);
  const CertificateAuthority other("other");
  start(server(std::string("#") + kServerName + ";ca=" + other.file(".pem")));
  expect_refusal("its certificate is not to be trusted as dns.example.org: ");
}

TEST_F(UpstreamTls, TheSystemsAuthoritiesDoNotVouchForOurs) {
  serve(kServerName);
  start(server(std::string("#") + kServerName));
  expect_refusal("its certificate is not to be trusted as dns.example.org: ");
}

TEST_F(UpstreamTls, ACertificateThatHasExpiredIsRefused) {
  serve(kServerName, -1);
  start(by_name());
  expect_refusal("certificate has expired");
}

// Nobody speaks TLS there, and plain text is not tried instead.
TEST_F(UpstreamTls, PlainTextIsNeverAsked) {
  const UniqueFd plain = bind_socket(loopback(free_port()), DnsTransport::kUdp);
  port_ = port_of(plain.get());
  start(by_name());
  const auto reply = ask(resolver_.dns(), {.name = kName});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode(), "SERVFAIL");
  EXPECT_FALSE(
      receive_octets(plain.get(), DnsTransport::kUdp, std::chrono::milliseconds(0)).has_value());
}

TEST_F(UpstreamTls, AFileThatIsMissingIsAnErrorAtStartAndAtReload) {
  for (const char* const verb : {"run", "check"}) {
    const auto result = run_command({program_path("meshdns"), verb, "--upstream", "127.0.0.1:1",
                                     "--upstream", "tls://127.0.0.1#a.example;ca=/nowhere/ca.pem",
                                     "--state-dir", resolver_.state_folder()});
    EXPECT_NE(result.exit_code, 0) << verb;
    EXPECT_THAT(result.output + result.error, HasSubstr("/nowhere/ca.pem")) << verb;
  }
  serve(kServerName);
  const std::string path = resolver_.folder().write(
      "meshdns.yaml", fmt::format("upstreams:\n  servers:\n    - {}\n", by_name()));
  resolver_.start({"--config", path});
  expect_answer("a.example.org");
  resolver_.folder().write("meshdns.yaml",
                           fmt::format("upstreams:\n  servers:\n    - {}\n",
                                       server("#dns.example.org;ca=/nowhere/ca.pem")));
  resolver_.process().signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] {
    return resolver_.log().find("not reloaded, the configuration in use stays: upstreams: ") !=
           std::string::npos;
  })) << resolver_.log();
  expect_answer("b.example.org");
}

// Each question that was on a connection which died is asked once more on another, and none is
// lost.
TEST_F(UpstreamTls, AConnectionThatDiesTakesNoQuestionWithIt) {
  serve(kServerName);
  TcpRelay relay(loopback(port_));
  start("tls://" + relay.address().to_string() + "#" + kServerName +
        ";ca=" + authority_.file(".pem"));
  expect_answer("first.example.org");
  constexpr std::size_t kQuestions = 100;  // on each connection
  constexpr std::size_t kDeaths = 4;
  const UniqueFd socket = connect_socket(resolver_.dns(), DnsTransport::kTcp);
  std::size_t answered = 0;
  for (std::size_t death = 0; death < kDeaths; ++death) {
    const auto before = relay.counts().accepted;
    for (std::size_t i = 0; i < kQuestions; ++i) {
      ASSERT_TRUE(send_message(socket.get(), DnsTransport::kTcp,
                               encode({.name = fmt::format("n{}-{}.example.org", death, i)})));
    }
    relay.bring(death % 2 == 0 ? TcpRelay::Fate::kReset : TcpRelay::Fate::kClose);
    for (std::size_t i = 0; i < kQuestions; ++i) {
      const auto octets = receive_message(socket.get(), DnsTransport::kTcp);
      ASSERT_TRUE(octets.has_value());
      const auto reply = DnsReply::decode(*octets);
      ASSERT_TRUE(reply.has_value());
      answered += reply->rcode() == "NOERROR" ? 1U : 0U;
    }
    EXPECT_LE(relay.counts().accepted, before + 1) << "one connection for all of them";
  }
  EXPECT_EQ(answered, kDeaths * kQuestions);
}

TEST_F(UpstreamTls, AServerThatComesBackIsUsedAgain) {
  serve(kServerName);
  TcpRelay relay(loopback(port_));
  start("tls://" + relay.address().to_string() + "#" + kServerName +
        ";ca=" + authority_.file(".pem"));
  expect_answer("a.example.org");
  relay.refuse();
  relay.bring(TcpRelay::Fate::kReset);
  EXPECT_TRUE(wait_until([&] {
    const auto reply = ask(resolver_.dns(), {.name = "b.example.org"});
    return reply && reply->rcode() == "SERVFAIL";
  }));
  relay.accept_again();
  EXPECT_TRUE(wait_until([&] {
    const auto reply = ask(resolver_.dns(), {.name = "c.example.org"});
    return reply && reply->rcode() == "NOERROR";
  }));
  EXPECT_TRUE(wait_until(
      [&] { return resolver_.log().find("upstream connected again") != std::string::npos; }));
}

TEST_F(UpstreamTls, IsTriedByCommand) {
  serve(kServerName);
  const auto trial = [&](const std::vector<std::string>& upstreams) {
    std::vector<std::string> argv{program_path("meshdns"), "upstream", "test", kName, "A"};
    for (const std::string& upstream : upstreams) {
      argv.insert(argv.end(), {"--upstream", upstream});
    }
    return run_command(argv);
  };
  const std::string refused = by_name("other.example.org");
  const std::string plain = unbound_->address().to_string();
  const CommandResult good = trial({by_name(), refused, plain, "tcp://" + plain});
  EXPECT_EQ(good.exit_code, 0) << good.error;
  EXPECT_THAT(good.output, testing::ContainsRegex("tls://[^ ]*#dns.example.org +[0-9.]+[mu]s +"
                                                  "NOERROR, 1 in the answer\n"));
  EXPECT_THAT(good.output,
              testing::ContainsRegex("#other.example.org .*TLS: its certificate is not to be "
                                     "trusted as other.example.org: hostname mismatch\n"));
  EXPECT_THAT(good.output, HasSubstr("default  " + plain));
  EXPECT_THAT(good.output, HasSubstr("tcp://" + plain));
  const CommandResult bad = trial({refused, loopback(free_port()).to_string()});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.output, HasSubstr("cannot be reached, or nothing listens there"));
  EXPECT_THAT(bad.output, Not(HasSubstr("NOERROR")));
  EXPECT_EQ(run_command({program_path("meshdns"), "upstream", "test", "a..b"}).exit_code, 1);
}

}  // namespace
}  // namespace meshdns::support
