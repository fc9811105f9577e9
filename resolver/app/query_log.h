// QueryLog: a line of JSON for each response that a client got.
//
// {"time":"2024-01-31T12:00:00.000123Z","client":"127.0.0.1:40000","transport":"udp",
//  "name":"www.example.org.","type":"A","class":"IN","rcode":"NOERROR","source":"upstream",
//  "us":1234,"server":"192.0.2.1:53"}
//
// `source` is local, cache, stale or upstream; `us` is the time from the question to the response;
// `server` is there only where a server's reply was used. Names are presentation form, every octet
// outside of printable ASCII as \DDD, so that a line is a line whatever a client asks; or a keyed
// hash, under which equal names are equal until the next start. A response without a question
// (FORMERR) has no name, type and class.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/sip_hash.h"
#include "resolver/app/config.h"
#include "resolver/app/event_drain.h"
#include "resolver/app/line_file.h"
#include "resolver/server/event_ring.h"

namespace meshdns::dns {

class QueryLog final : public EventSink {
 public:
  struct Environment {
    FileSystem& files;
    Logger& log;
    Counter& lines;    // written
    Counter& dropped;  // not to be written
  };

  QueryLog(const Config::QueryLog& config, const Environment& environment);

  void take(const EventRing::Entry& entry) override;
  void flush() override;
  void reopen() override { file_.reopen(); }

 private:
  QueryLogNames names_;
  HashKey key_;
  LineFile file_;
  Counter& lines_;
  Counter& dropped_;
  std::string text_;
};

// The line of a client's response, without its end.
[[nodiscard]] std::string query_log_line(const EventRing::Entry& entry, QueryLogNames names,
                                         const HashKey& key);

}  // namespace meshdns::dns
