// Many clients of a control plane's aggregated discovery, each with a connection and a stream of
// its own, and how soon they hear of a change. What to change comes on standard input, a line each:
//
//   wait              until not an octet has come for a second
//   replace FROM TO   renames the file FROM to TO, and waits until every stream has heard
//
// Each line is answered with one of JSON on standard output.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <istream>
#include <memory>
#include <optional>
#include <ratio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

#include "base/descriptor_limit.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "bench/ads_connection.h"
#include "bench/orders.h"
#include "bench/program.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kQuiet{1};
constexpr std::chrono::seconds kLongestChange{30};
constexpr std::chrono::minutes kLongestWait{10};

struct CommandLine {
  std::string server;
  std::size_t streams = 1000;
  std::size_t silent = 0;
  bool tls = false;
};

class Load {
 public:
  // Connects, and asks.
  explicit Load(const CommandLine& wanted)
      : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        tls_(::SSL_CTX_new(::TLS_client_method()), &::SSL_CTX_free) {
    // What HTTP/2 is called in TLS (RFC 7301, RFC 9113 section 3.2).
    static constexpr std::array<unsigned char, 3> kHttp2 = {2, 'h', '2'};
    ::SSL_CTX_set_alpn_protos(tls_.get(), kHttp2.data(), kHttp2.size());
    const auto server = SocketAddress::parse(wanted.server);
    if (!server) {
      throw std::runtime_error(server.error().message);
    }
    // What a resolver with names of single endpoints asks for.
    const std::vector<std::string> types{std::string(discovery::kServiceTypeUrl),
                                         std::string(discovery::kClusterLoadAssignmentTypeUrl)};
    const auto connect = [&](const std::string& node, bool reads) {
      return std::make_unique<AdsConnection>(
          AdsConnection::Options{.server = *server,
                                 .node = node,
                                 .types = types,
                                 .reads = reads,
                                 .tls = wanted.tls ? tls_.get() : nullptr});
    };
    for (std::size_t i = 0; i < wanted.streams; ++i) {
      connections_.push_back(connect(fmt::format("default.load-{}", i), true));
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connections_.back()->fd(), &event);
    }
    for (std::size_t i = 0; i < wanted.silent; ++i) {
      silent_.push_back(connect(fmt::format("default.silent-{}", i), false));
    }
  }

  // What came until nothing did for a second, and when the last of it did, from the beginning.
  std::string wait() {
    const Clock::time_point end = Clock::now() + kLongestWait;
    std::uint64_t responses = 0;
    std::uint64_t octets = 0;  // a large response may take longer than what counts as quiet
    Clock::time_point last = Clock::now();
    while (Clock::now() < last + kQuiet) {
      if (Clock::now() > end) {
        throw std::runtime_error("responses do not cease");
      }
      poll([&](std::size_t /*connection*/, std::string_view /*type_url*/) { ++responses; });
      if (const std::uint64_t now = received_bytes(); now != octets) {
        octets = now;
        last = Clock::now();
      }
    }
    return fmt::format(R"({{"responses":{},"bytes":{},"seconds":{:.3f}}})", responses,
                       received_bytes(), std::chrono::duration<double>(last - begin_).count());
  }

  std::string replace(const std::string& from, const std::string& to) {
    const std::uint64_t bytes_before = received_bytes();
    std::vector<double> milliseconds(connections_.size(), -1);
    std::size_t missing = connections_.size();
    const Clock::time_point begin = Clock::now();
    std::filesystem::rename(from, to);
    while (missing > 0) {
      if (Clock::now() > begin + kLongestChange) {
        throw std::runtime_error(fmt::format("{} streams heard nothing", missing));
      }
      poll([&](std::size_t connection, std::string_view type_url) {
        if (type_url == discovery::kClusterLoadAssignmentTypeUrl && milliseconds[connection] < 0) {
          milliseconds[connection] =
              std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
          --missing;
        }
      });
    }
    std::ranges::sort(milliseconds);
    const auto quantile = [&](double share) {
      return milliseconds.at(
          static_cast<std::size_t>(share * static_cast<double>(milliseconds.size() - 1)));
    };
    return fmt::format(R"({{"first_ms":{:.3f},"p50_ms":{:.3f},"p99_ms":{:.3f},"last_ms":{:.3f},)"
                       R"("bytes":{}}})",
                       milliseconds.front(), quantile(0.5), quantile(0.99), milliseconds.back(),
                       received_bytes() - bytes_before);
  }

 private:
  template <typename OnResponse>
  void poll(OnResponse on_response) {
    constexpr int kPauseMilliseconds = 100;
    std::array<epoll_event, 256> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   kPauseMilliseconds);
    for (int i = 0; i < count; ++i) {
      const std::size_t connection = events.at(static_cast<std::size_t>(i)).data.u64;
      connections_.at(connection)->on_readable([&](std::string_view type_url) {
        on_response(connection, type_url);
      });
    }
  }
  [[nodiscard]] std::uint64_t received_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& connection : connections_) {
      sum += connection->received_bytes();
    }
    return sum;
  }

  Clock::time_point begin_ = Clock::now();
  UniqueFd epoll_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> tls_;
  std::vector<std::unique_ptr<AdsConnection>> connections_;
  std::vector<std::unique_ptr<AdsConnection>> silent_;
};

std::optional<std::string> answer(Load& load, std::istream& words) {
  std::string verb;
  std::string from;
  std::string to;
  words >> verb >> from >> to;
  if (verb == "wait") {
    return load.wait();
  }
  return verb == "replace" ? std::optional(load.replace(from, to)) : std::nullopt;
}

void declare(CLI::App& app, CommandLine& wanted) {
  app.footer(
      "Lines on standard input: `wait` until nothing comes for a second; `replace FROM TO` "
      "renames a file and waits until all have heard.");
  app.add_option("--server", wanted.server, "ADDRESS:PORT")->required();
  app.add_option("--streams", wanted.streams, "that read")->capture_default_str();
  app.add_flag("--tls", wanted.tls, "over TLS, whoever the server is");
  app.add_option("--silent", wanted.silent, "that ask and never read")->capture_default_str();
}

Result<void> run(const CommandLine& wanted) {
  if (const auto descriptors = raise_descriptor_limit(); !descriptors) {
    return tl::unexpected(descriptors.error());
  }
  Load load(wanted);
  follow_orders([&load](std::istream& words) { return answer(load, words); });
  return {};
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  namespace bench = meshdns::bench;
  return bench::run_program<bench::CommandLine, bench::declare, bench::run>(
      "meshdns-bench-streams",
      "Clients of a control plane's delta ADS, a connection and a stream each.", argc, argv);
}
