#include "resolver/app/vip_listing.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/log.h"
#include "base/result.h"
#include "resolver/app/admin_client.h"

namespace meshdns::dns {
namespace {

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
    return fail(ErrorCode::kNotFound,
                fmt::format("there is no service '{}' (`meshdns vip list` shows all)",
                            escape_name(service)));
  }
  return print_rows(std::move(rows));
}

Result<std::string> list_vips(const AdminAddress& admin, const std::string& service) {
  const auto answer = ask_admin(admin, {.target = "/vips", .is_post = false, .body = {}});
  if (!answer) {
    return tl::unexpected(answer.error());
  }
  constexpr unsigned kOk = 200;
  if (answer->status != kOk) {
    return fail(ErrorCode::kNetwork,
                fmt::format("{} is no meshdns: it answered {}", to_string(admin), answer->status));
  }
  auto text = print_vips(answer->body, service);
  if (!text && text.error().code == ErrorCode::kCorrupt) {
    return fail(ErrorCode::kNetwork,
                fmt::format("{} is no meshdns: {}", to_string(admin), text.error().message));
  }
  return text;
}

}  // namespace meshdns::dns
