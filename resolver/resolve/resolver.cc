#include "resolver/resolve/resolver.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "resolver/forward/sequential_forwarder.h"
#include "resolver/forward/upstream.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {
namespace {

ExtendedError error_for(ForwardStatus status) {
  switch (status) {
    case ForwardStatus::kTimeout:
      return {extended_error::kNoReachableAuthority, "no upstream server answered in time"};
    case ForwardStatus::kNetworkError:
      return {extended_error::kNetworkError, "no upstream server can be reached"};
    case ForwardStatus::kNoUpstream:
      return {extended_error::kOther, "no upstream server is configured"};
    case ForwardStatus::kReply:
    case ForwardStatus::kCancelled:
      break;
  }
  return {extended_error::kNoReachableAuthority, "upstream reply is unusable"};
}

}  // namespace

struct Resolver::Question {
  Query query;
  Transport transport = Transport::kUdp;
  IpAddress client;
  ReplySink sink;  // empty once cancelled
  TimePoint started;
  Generation* generation = nullptr;
  SequentialForwarder::Ticket ticket;
};

Resolver::Resolver(const Options& options, UpstreamFactory make_upstream, InFlightLimits& limits,
                   const Clock& clock)
    : options_(options),
      make_upstream_(std::move(make_upstream)),
      limits_(limits),
      clock_(clock),
      buffer_(kMaxMessageOctets) {
  set_upstreams({});
}

Resolver::~Resolver() {
  generations_.clear();  // no callback comes after this
  for (const auto& [id, question] : questions_) {
    limits_.release(question->client);
  }
}

QuestionId Resolver::resolve(const Query& query, Transport transport, const IpAddress& client,
                             ReplySink sink) {
  drop_finished_generations();
  const QuestionId id = ++last_id_;
  Generation& generation = *generations_.back();
  const bool has_server = generation.forwarder->server_count() != 0;
  if (!has_server || !limits_.acquire(client)) {
    const ExtendedError error =
        has_server ? ExtendedError{extended_error::kOther, "too many questions are waiting"}
                   : error_for(ForwardStatus::kNoUpstream);
    ResolvedReply reply{.question = id, .message = {}, .rcode = 0, .elapsed = {}};
    reply.message = std::span(buffer_).first(write_failure(query, error, reply.rcode));
    sink(reply);
    return 0;
  }
  auto owned = std::make_unique<Question>();
  Question& question = *owned;
  question.query = query;
  question.transport = transport;
  question.client = client;
  question.sink = std::move(sink);
  question.started = clock_.now();
  question.generation = &generation;
  questions_.emplace(id, std::move(owned));
  ++generation.open;
  question.ticket = generation.forwarder->forward(
      question.query, [this, id](const ForwardResult& result) { on_forwarded(id, result); });
  return id;
}

void Resolver::cancel(QuestionId id) {
  const auto found = questions_.find(id);
  if (found != questions_.end()) {
    Question& question = *found->second;
    question.sink = {};
    question.generation->forwarder->cancel(question.ticket);
  }
}

void Resolver::set_upstreams(std::span<const SocketAddress> servers) {
  std::vector<std::unique_ptr<Upstream>> upstreams;
  upstreams.reserve(servers.size());
  for (const SocketAddress& server : servers) {
    upstreams.push_back(make_upstream_(server));
  }
  auto generation = std::make_unique<Generation>();
  generation->forwarder =
      std::make_unique<SequentialForwarder>(std::move(upstreams), options_.forward, clock_);
  generations_.push_back(std::move(generation));
  drop_finished_generations();
}

void Resolver::drop_finished_generations() {
  if (generations_.size() > 1) {
    std::erase_if(generations_, [this](const auto& generation) {
      return generation->open == 0 && generation != generations_.back();
    });
  }
}

void Resolver::on_forwarded(QuestionId id, const ForwardResult& result) {
  const auto found = questions_.find(id);
  const std::unique_ptr<Question> question = std::move(found->second);
  questions_.erase(found);
  --question->generation->open;  // itself dropped later: it is on the stack now
  limits_.release(question->client);
  if (!question->sink) {
    return;
  }
  ResolvedReply reply{
      .question = id, .message = {}, .rcode = 0, .elapsed = clock_.now() - question->started};
  reply.message = std::span(buffer_).first(write_reply(*question, result, reply.rcode));
  question->sink(reply);
}

std::size_t Resolver::write_reply(const Question& question, const ForwardResult& result,
                                  std::uint8_t& rcode) {
  if (result.status != ForwardStatus::kReply) {
    return write_failure(question.query, error_for(result.status), rcode);
  }
  const auto buffer = std::span(buffer_).first(
      response_limit(question.query, question.transport, options_.max_udp_payload));
  const RebuildOptions options{.transport = question.transport,
                               .trusted_upstream = options_.trusted_upstream};
  const RebuildResult rebuilt = rebuild_reply(result.reply, question.query, options, buffer);
  if (rebuilt.status != RebuildStatus::kOk) {
    return write_failure(question.query, error_for(result.status), rcode);
  }
  rcode = rebuilt.rcode;
  return rebuilt.size;
}

std::size_t Resolver::write_failure(const Query& query, const ExtendedError& error,
                                    std::uint8_t& rcode) {
  rcode = rcode::kServFail;
  return write_error(query, rcode::kServFail, &error, std::span(buffer_).first(kPlainUdpOctets));
}

}  // namespace meshdns::dns
