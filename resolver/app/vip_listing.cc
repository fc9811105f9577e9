#include "resolver/app/vip_listing.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

namespace http = boost::beast::http;

constexpr std::chrono::seconds kTimeout{10};
constexpr std::size_t kMaxBody = std::size_t{256} << 20U;
constexpr unsigned kHttp11 = 11;

// GET `target`, as a chain of completions on one io_context that ends with the body or an error.
class Download {
 public:
  Download(const SocketAddress& server, const std::string& target)
      : server_(server), request_(http::verb::get, target, kHttp11) {
    request_.set(http::field::host, server.to_string());
    response_.body_limit(kMaxBody);
  }

  Result<std::string> run() {
    stream_.expires_after(kTimeout);
    stream_.async_connect({boost::asio::ip::make_address(server_.ip.to_string()), server_.port},
                          [this](const Failure& failure) { on_connect(failure); });
    io_.run();
    if (failure_) {
      return fail(ErrorCode::kNetwork,
                  fmt::format("no answer from http://{}: {} (is `meshdns run` up, and is --admin "
                              "the address that it serves?)",
                              server_.to_string(), failure_.message()));
    }
    if (response_.get().result() != http::status::ok) {
      return fail(ErrorCode::kNetwork,
                  fmt::format("http://{} is no meshdns: it answered {}", server_.to_string(),
                              response_.get().result_int()));
    }
    return response_.get().body();
  }

 private:
  using Failure = boost::beast::error_code;

  void on_connect(const Failure& failure) {
    failure_ = failure;
    if (!failure) {
      http::async_write(stream_, request_,
                        [this](const Failure& sent, std::size_t) { on_sent(sent); });
    }
  }

  void on_sent(const Failure& failure) {
    failure_ = failure;
    if (!failure) {
      http::async_read(stream_, buffer_, response_,
                       [this](const Failure& received, std::size_t) { failure_ = received; });
    }
  }

  SocketAddress server_;
  boost::asio::io_context io_{1};
  boost::beast::tcp_stream stream_{io_};
  http::request<http::empty_body> request_;
  boost::beast::flat_buffer buffer_;
  http::response_parser<http::string_body> response_;
  Failure failure_;
};

using Row = std::array<std::string, 5>;

std::string joined(const YAML::Node& items, std::string (*print)(const YAML::Node&)) {
  std::vector<std::string> texts;
  for (const YAML::Node& item : items) {
    texts.push_back(print(item));
  }
  return texts.empty() ? "-" : fmt::format("{}", fmt::join(texts, ","));
}

std::string text_of(const YAML::Node& item) { return escape_text(item.as<std::string>()); }

std::string port_of(const YAML::Node& port) {
  return fmt::format("{}/{}", port["number"].as<unsigned>(), text_of(port["protocol"]));
}

std::vector<Row> rows_of(const std::string& json, const std::string& service) {
  std::vector<Row> rows;
  const YAML::Node document = YAML::Load(json);  // YAML contains JSON
  const YAML::Node vips = document.IsMap() ? document["vips"] : YAML::Node();
  if (!vips.IsSequence()) {
    throw YAML::RepresentationException(document.Mark(), "no list of VIPs");
  }
  for (const YAML::Node& vip : vips) {
    if (service.empty() || vip["service"].as<std::string>() == service) {
      rows.push_back({text_of(vip["service"]), joined(vip["hostnames"], text_of),
                      joined(vip["addresses"], text_of), text_of(vip["status"]),
                      joined(vip["ports"], port_of)});
    }
  }
  return rows;
}

std::string print_rows(std::vector<Row> rows) {
  rows.insert(rows.begin(), Row{"SERVICE", "HOSTNAMES", "ADDRESSES", "STATUS", "PORTS"});
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths.at(i) = std::max(widths.at(i), row.at(i).size());
    }
  }
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      out += fmt::format("{:<{}}  ", row.at(i), widths.at(i));
    }
    out += row.back() + "\n";
  }
  return out;
}

}  // namespace

Result<std::string> print_vips(const std::string& json, const std::string& service) {
  std::vector<Row> rows;
  try {
    rows = rows_of(json, service);
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("/vips does not decode: {}", escape_text(error.what())));
  }
  if (rows.empty() && !service.empty()) {
    return fail(
        ErrorCode::kNotFound,
        fmt::format("there is no service '{}' (`meshdns vip` lists all)", escape_name(service)));
  }
  return print_rows(std::move(rows));
}

Result<std::string> list_vips(const SocketAddress& admin, const std::string& service) {
  const auto json = Download(admin, "/vips").run();
  if (!json) {
    return tl::unexpected(json.error());
  }
  auto text = print_vips(*json, service);
  if (!text && text.error().code == ErrorCode::kCorrupt) {
    return fail(ErrorCode::kNetwork, fmt::format("http://{} is no meshdns: {}", admin.to_string(),
                                                 text.error().message));
  }
  return text;
}

}  // namespace meshdns::dns
