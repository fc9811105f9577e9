// The DNS server's metrics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/metrics.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {

enum class AnswerSource : std::uint8_t { kLocal, kCache, kUpstream };
// Whose a question was: ours, or for others to answer, whether or not the cache has it.
enum class QuestionOwner : std::uint8_t { kLocal, kUpstream };

// Registers all cells. Thread-safe; on the answered path added to once per batch.
struct ServerMetrics {
  explicit ServerMetrics(MetricRegistry& registry);

  static constexpr std::size_t kRcodeCells = 7;  // NOERROR to REFUSED, and all others
  using AnswerCells = std::array<Counter*, kRcodeCells>;

  // The index of an rcode in AnswerCells.
  [[nodiscard]] static std::size_t rcode_cell(std::uint8_t rcode) {
    return rcode < kRcodeCells - 1 ? rcode : kRcodeCells - 1;
  }
  void count_answer(AnswerSource source, std::uint8_t rcode) {
    answers.at(static_cast<std::size_t>(source)).at(rcode_cell(rcode))->add();
  }

  static constexpr std::size_t kTypeCells = 3;  // A, AAAA and all others
  using TypeCells = std::array<Counter*, kTypeCells>;

  // The index of a type in TypeCells. A request whose question cannot be read has type 0.
  [[nodiscard]] static std::size_t type_cell(std::uint16_t qtype) {
    return qtype == rrtype::kA ? 0 : qtype == rrtype::kAaaa ? 1 : 2;
  }
  void count_question(QuestionOwner owner, std::uint16_t qtype) {
    questions.at(static_cast<std::size_t>(owner)).at(type_cell(qtype))->add();
  }

  Counter& udp_queries;
  Counter& tcp_queries;
  std::array<AnswerCells, 3> answers;  // by AnswerSource
  std::array<TypeCells, 2> questions;  // by QuestionOwner
  Histogram& answer_seconds;  // of forwarded questions alone: local ones do not look at a clock
  Counter& refused;

  // Datagrams and answers that came to nothing.
  Counter& dropped_unanswerable;  // a response, or shorter than a header
  Counter& dropped_empty;
  Counter& dropped_port_zero;
  Counter& dropped_send_buffer;  // the answer did not fit into the socket's buffer
  Counter& dropped_send_error;

  Gauge& tcp_connections;
  Counter& tcp_accepted;
  Counter& tcp_refused_limit;  // closed at once: too many connections
  Counter& tcp_evicted;        // idle, closed for a newer one
  Counter& tcp_timeouts;       // idle, half a frame, or a client that does not read
  Counter& tcp_overflows;      // more waiting to be read than is kept
  Counter& accept_failures;    // no descriptors, no memory
};

}  // namespace meshdns::dns
