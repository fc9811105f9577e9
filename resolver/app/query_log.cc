#include "resolver/app/query_log.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/sip_hash.h"
#include "resolver/app/config.h"
#include "resolver/app/dns_words.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/server/dns_event.h"
#include "resolver/server/event_ring.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {
namespace {

// Written at once; whole lines.
constexpr std::size_t kFlushOctets = std::size_t{64} << 10U;

struct Question {
  Name name;  // as it was asked
  std::uint16_t type = 0;
  std::uint16_t rrclass = 0;
};

std::uint16_t read_u16(std::span<const std::uint8_t> octets) {
  return static_cast<std::uint16_t>(octets[0] << 8U | octets[1]);
}

// Of a message of ours, so uncompressed.
std::optional<Question> question_of(std::span<const std::uint8_t> message) {
  if (message.size() < kHeaderOctets || read_u16(message.subspan(4)) == 0) {
    return std::nullopt;
  }
  const auto rest = message.subspan(kHeaderOctets);
  std::size_t size = 0;
  while (size < rest.size() && rest[size] != 0) {
    size += rest[size] + std::size_t{1};
  }
  ++size;
  if (size + 4 > rest.size()) {
    return std::nullopt;
  }
  const auto name = Name::from_wire(rest.first(size));
  if (!name) {
    return std::nullopt;
  }
  return Question{.name = *name,
                  .type = read_u16(rest.subspan(size)),
                  .rrclass = read_u16(rest.subspan(size + 2))};
}

// A JSON string of presentation form, in which only quotes and backslashes mean something.
std::string quoted(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
    }
    json += c;
  }
  return json + '"';
}

std::string name_text(const Name& name, QueryLogNames names, const HashKey& key) {
  if (names == QueryLogNames::kEscaped) {
    return quoted(name.to_text());
  }
  Name folded;
  folded.assign_folded(name);
  return fmt::format("\"~{:016x}\"", sip_hash<2, 4>(key, folded.octets()));
}

std::string_view transport_word(MessageTransport transport) {
  switch (transport) {
    case MessageTransport::kUdp:
      break;
    case MessageTransport::kTcp:
      return "tcp";
    case MessageTransport::kTls:
      return "tls";
  }
  return "udp";
}

std::string_view source_word(EventSource source) {
  switch (source) {
    case EventSource::kNone:
    case EventSource::kLocal:
      break;
    case EventSource::kCache:
      return "cache";
    case EventSource::kStale:
      return "stale";
    case EventSource::kUpstream:
      return "upstream";
  }
  return "local";
}

std::string time_text(std::chrono::nanoseconds since_1970) {
  using std::chrono::microseconds;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_1970);
  const auto rest = std::chrono::duration_cast<microseconds>(since_1970 - seconds);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(static_cast<std::time_t>(seconds.count())), rest.count());
}

}  // namespace

std::string query_log_line(const EventRing::Entry& entry, QueryLogNames names, const HashKey& key) {
  const DnsEvent& event = entry.event;
  std::string line =
      fmt::format(R"({{"time":"{}","client":"{}","transport":"{}")", time_text(event.at),
                  event.peer.to_string(), transport_word(event.transport));
  if (const auto question = question_of(entry.message)) {
    line +=
        fmt::format(R"(,"name":{},"type":"{}","class":"{}")", name_text(question->name, names, key),
                    type_text(question->type), class_text(question->rrclass));
  }
  const unsigned rcode = entry.message.size() < kHeaderOctets ? 0 : entry.message[3] & 0xfU;
  line += fmt::format(R"(,"rcode":"{}","source":"{}","us":{})", rcode_text(rcode),
                      source_word(event.source),
                      std::chrono::duration_cast<std::chrono::microseconds>(event.elapsed).count());
  if (event.server.port != 0) {
    line += fmt::format(R"(,"server":"{}")", event.server.to_string());
  }
  return line + '}';
}

QueryLog::QueryLog(const Config::QueryLog& config, const Environment& environment)
    : names_(config.names),
      key_(HashKey::random()),
      file_(config.file, environment.files, environment.log),
      lines_(environment.lines),
      dropped_(environment.dropped) {}

void QueryLog::take(const EventRing::Entry& entry) {
  text_ += query_log_line(entry, names_, key_);
  text_ += '\n';
  if (text_.size() >= kFlushOctets) {
    flush();
  }
}

void QueryLog::flush() {
  if (text_.empty()) {
    return;
  }
  const auto lines = static_cast<std::size_t>(std::ranges::count(text_, '\n'));
  const std::size_t lost = file_.write(text_);
  text_.clear();
  lines_.add(lines - lost);
  if (lost != 0) {
    dropped_.add(lost);
  }
}

}  // namespace meshdns::dns
