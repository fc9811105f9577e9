#include "resolver/resolve/resolver.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "base/ip_address.h"
#include "resolver/forward/sequential_forwarder.h"
#include "resolver/forward/upstream.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/resolve/shared_question.h"
#include "resolver/resolve/shared_questions.h"
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
    case ForwardStatus::kLoop:
      return {extended_error::kOther, "the upstream server leads back to this resolver"};
    case ForwardStatus::kReply:
    case ForwardStatus::kUnwanted:
      break;
  }
  return {extended_error::kNoReachableAuthority, "upstream reply is unusable"};
}

}  // namespace

// A client's question.
struct Resolver::Question {
  Query query;
  Transport transport = Transport::kUdp;
  IpAddress client;
  ReplySink sink;  // empty once cancelled
  TimePoint started;
  std::shared_ptr<SharedQuestion> shared;
};

// A shared question that this resolver asks.
class Resolver::Errand final : public ForwardClient {
 public:
  Errand(Resolver& resolver, std::shared_ptr<SharedQuestion> asked, Generation& servers)
      : question(std::move(asked)), generation(servers), resolver_(resolver) {}

  [[nodiscard]] const Query& query() const override { return question->query(); }
  [[nodiscard]] bool is_wanted() const override { return question->is_wanted(); }
  [[nodiscard]] bool is_repeated() const override { return question->is_repeated(); }
  void on_forwarded(ForwardResult result) override {
    resolver_.on_forwarded(*this, std::move(result));
  }

  const std::shared_ptr<SharedQuestion> question;
  Generation& generation;

 private:
  Resolver& resolver_;
};

Resolver::Resolver(const Options& options, Environment environment)
    : options_(options), environment_(std::move(environment)), buffer_(kMaxMessageOctets) {
  set_upstreams({});
}

Resolver::~Resolver() {
  generations_.clear();  // no callback comes after this
  for (const auto& [id, question] : questions_) {
    if (question->sink) {
      SharedQuestions::leave(*question->shared);
    }
    environment_.limits.release(question->client);
  }
  environment_.questions.forget(*this);
}

QuestionId Resolver::resolve(const Query& query, Transport transport, const IpAddress& client,
                             ReplySink sink) {
  drop_finished_generations();
  Generation& generation = *generations_.back();
  if (environment_.loops.catches(query.asked_name())) {
    return refuse(query, error_for(ForwardStatus::kLoop), sink);
  }
  if (generation.forwarder->server_count() == 0) {
    return refuse(query, error_for(ForwardStatus::kNoUpstream), sink);
  }
  if (!environment_.limits.acquire(client)) {
    environment_.metrics.refused.add();
    return refuse(query, {extended_error::kOther, "too many questions are waiting"}, sink);
  }
  const QuestionId id = ++last_id_;
  auto owned = std::make_unique<Question>();
  Question& question = *owned;
  question.query = query;
  question.transport = transport;
  question.client = client;
  question.sink = std::move(sink);
  question.started = environment_.clock.now();
  questions_.emplace(id, std::move(owned));
  const auto joined = environment_.questions.join(query, epoch_, {.party = this, .question = id});
  question.shared = joined.question;
  if (!joined.is_first) {
    environment_.metrics.joined.add();
    return id;
  }
  ++generation.open;
  auto errand = std::make_unique<Errand>(*this, joined.question, generation);
  Errand& begun = *errand;
  errands_.emplace(&begun, std::move(errand));
  generation.forwarder->forward(begun);
  return questions_.contains(id) ? id : 0;
}

QuestionId Resolver::refuse(const Query& query, const ExtendedError& error, ReplySink& sink) {
  ResolvedReply reply{.question = 0, .message = {}, .rcode = 0, .elapsed = {}};
  reply.message = std::span(buffer_).first(write_failure(query, error, reply.rcode));
  sink(reply);
  return 0;
}

void Resolver::cancel(QuestionId id) {
  const auto found = questions_.find(id);
  if (found != questions_.end() && found->second->sink) {
    found->second->sink = {};
    SharedQuestions::leave(*found->second->shared);
  }
}

void Resolver::set_upstreams(std::span<const SocketAddress> servers) {
  std::vector<std::unique_ptr<Upstream>> upstreams;
  upstreams.reserve(servers.size());
  for (const SocketAddress& server : servers) {
    upstreams.push_back(environment_.make_upstream(server));
  }
  auto generation = std::make_unique<Generation>();
  generation->forwarder = std::make_unique<SequentialForwarder>(
      std::move(upstreams), options_.forward,
      SequentialForwarder::Environment{
          .clock = environment_.clock, .health = environment_.health, .loops = environment_.loops});
  generations_.push_back(std::move(generation));
  ++epoch_;
  drop_finished_generations();
}

void Resolver::drop_finished_generations() {
  if (generations_.size() > 1) {
    std::erase_if(generations_, [this](const auto& generation) {
      return generation->open == 0 && generation != generations_.back();
    });
  }
}

void Resolver::on_forwarded(Errand& errand, ForwardResult result) {
  if (result.status == ForwardStatus::kUnwanted) {
    auto unwanted = environment_.questions.end_if_unwanted(*errand.question);
    if (!unwanted) {  // somebody has come meanwhile
      errand.generation.forwarder->forward(errand);
      return;
    }
    const auto done = errands_.extract(&errand);
    distribute(*unwanted, std::move(result));
    --errand.generation.open;
    return;
  }
  const auto done = errands_.extract(&errand);
  distribute(environment_.questions.end(*errand.question), std::move(result));
  // Only now: the forwarder is on the stack, and the sinks may have asked anew.
  --errand.generation.open;
}

void Resolver::distribute(const std::vector<Waiter>& waiters, ForwardResult result) {
  const auto shared = std::make_shared<const ForwardResult>(std::move(result));
  std::map<WaitingParty*, std::vector<QuestionId>> others;
  for (const Waiter& waiter : waiters) {
    if (waiter.party != this) {
      others[waiter.party].push_back(waiter.question);
    }
  }
  for (auto& [party, questions] : others) {
    party->post_result(shared, std::move(questions));
  }
  for (const Waiter& waiter : waiters) {
    if (waiter.party == this) {
      give(waiter.question, *shared);
    }
  }
}

void Resolver::post_result(std::shared_ptr<const ForwardResult> result,
                           std::vector<QuestionId> questions) {
  boost::asio::post(environment_.io, [this, given = std::move(result), ids = std::move(questions)] {
    for (const QuestionId id : ids) {
      give(id, *given);
    }
  });
}

void Resolver::give(QuestionId id, const ForwardResult& result) {
  const auto found = questions_.find(id);
  const std::unique_ptr<Question> question = std::move(found->second);
  questions_.erase(found);
  environment_.limits.release(question->client);
  if (!question->sink) {
    return;
  }
  ResolvedReply reply{.question = id,
                      .message = {},
                      .rcode = 0,
                      .elapsed = environment_.clock.now() - question->started};
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
