#include "resolver/resolve/resolver.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/one_by_one.h"
#include "base/slot_map.h"
#include "resolver/forward/forward_client.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/group_forwarder.h"
#include "resolver/forward/route_table.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/in_flight_limits.h"
#include "resolver/resolve/route_answer.h"
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

// What is told to whoever waits for what there was no memory for.
SharedResult no_memory() {
  return {.status = ForwardStatus::kNetworkError, .reply = {}, .stored = {}, .is_failure = true};
}

// Other workers' clients for whom there was no memory are told then.
constexpr std::chrono::milliseconds kTellAgainAfter{100};

}  // namespace

// A client's question.
struct Resolver::Question {
  // NOLINTNEXTLINE(modernize-pass-by-value): to move a Query is to copy its octets.
  Question(QuestionId given, const Query& asked) : id(given), query(asked) {}

  const QuestionId id;
  Query query;
  Transport transport = Transport::kUdp;
  IpAddress client;
  ReplySink sink;  // empty once told or cancelled
  TimePoint started;
  bool has_stale = false;  // there was an answer that is over
  std::shared_ptr<SharedQuestion> shared;
};

// A shared question that this resolver asks. Goes when all who waited have been told.
class Resolver::Errand final : public ForwardClient, private TimerQueue::Timer {
 public:
  Errand(SlotMap<Errand>::Id given, Resolver& resolver, std::shared_ptr<SharedQuestion> asked,
         Generation& plan, GroupForwarder& group)
      : Timer(resolver.environment_.timers),
        id(given),
        question(std::move(asked)),
        generation(plan),
        forwarder(group),
        resolver_(resolver) {}

  [[nodiscard]] const Query& query() const override { return question->query(); }
  [[nodiscard]] bool is_wanted() const override { return question->is_wanted(); }
  [[nodiscard]] bool is_repeated() const override { return question->is_repeated(); }
  void on_forwarded(ForwardResult result) override {
    resolver_.on_forwarded(*this, std::move(result));
  }
  void tell_again_soon() {
    TimerQueue& timers = resolver_.environment_.timers;
    timers.schedule(*this, timers.now() + kTellAgainAfter);
  }
  void on_due() override { resolver_.tell_again(*this); }

  const SlotMap<Errand>::Id id;
  const std::shared_ptr<SharedQuestion> question;
  Generation& generation;
  GroupForwarder& forwarder;
  std::vector<Waiter> waiters;  // once it is over

 private:
  Resolver& resolver_;
};

struct Resolver::StaleTimer {
  StaleTimer(boost::asio::io_context& io, Resolver& resolver) : timer(io), owner(&resolver) {}
  boost::asio::steady_timer timer;
  Resolver* owner;
  bool is_armed = false;
};

Resolver::Resolver(const Options& options, Environment environment)
    : options_(options),
      environment_(std::move(environment)),
      cached_(options.cached, environment_.cache, environment_.clock, environment_.metrics),
      stale_timer_(std::make_shared<StaleTimer>(environment_.io, *this)),
      buffer_(kMaxMessageOctets) {
  set_plan(std::make_shared<const ForwardPlan>());
}

Resolver::~Resolver() {
  stale_timer_->owner = nullptr;
  stale_timer_->timer.cancel();
  generations_.clear();  // no callback comes after this
  questions_.for_each([this](QuestionId /*id*/, const Question& question) {
    if (question.sink) {
      SharedQuestions::leave(*question.shared);
    }
    environment_.limits.release(question.client);
  });
  environment_.questions.forget(*this);
}

CachedAnswers::Found Resolver::find_cached(const Query& query, Transport transport,
                                           std::span<std::uint8_t> buffer) {
  const RouteTable::Match route = route_of(query);
  if (is_answered_by(route, query)) {
    const RebuildResult written =
        write_route_answer(route, query, cached_.rebuild_options(transport, nullptr),
                           cached_.limit(query, transport, buffer));
    return {
        .outcome = CachedAnswers::Outcome::kRouted, .size = written.size, .rcode = written.rcode};
  }
  const CachedAnswers::Found found = cached_.find(query, transport, buffer);
  if (found.refresh) {
    refresh(query);
  }
  return found;
}

// For the next client: the one who has his answer loses nothing where there is no memory for it.
void Resolver::refresh(const Query& query) {
  if (!has_servers(route_of(query))) {
    return;
  }
  try {
    ask(environment_.questions.join(query, epoch_, {.party = this, .question = 0}));
  } catch (const std::bad_alloc&) {
    return;  // a later client's question asks for it
  }
  environment_.metrics.cache_refreshes.add();
}

QuestionId Resolver::resolve(const Query& query, Transport transport, const IpAddress& client,
                             CachedAnswers::Outcome found, ReplySink sink) {
  drop_finished_generations();
  const RouteTable::Match route = route_of(query);
  if (environment_.loops.catches(query.asked_name())) {
    return refuse(query, error_for(ForwardStatus::kLoop), sink);
  }
  if (!has_servers(route)) {
    return refuse(query, error_for(ForwardStatus::kNoUpstream), sink);
  }
  if (!environment_.limits.acquire(client)) {
    environment_.metrics.refused.add();
    return refuse(query, {extended_error::kOther, "too many questions are waiting"}, sink);
  }
  QuestionId id = 0;
  SharedQuestions::Joined joined;
  try {
    Question& question = questions_.emplace(query);
    id = question.id;
    question.transport = transport;
    question.client = client;
    question.sink = std::move(sink);
    question.started = environment_.clock.now();
    question.has_stale = found == CachedAnswers::Outcome::kStale;
    if (question.has_stale) {
      stale_times_.push_back({.due = question.started + options_.stale_after, .question = id});
      arm_stale_timer();
    }
    joined = environment_.questions.join(query, epoch_, {.party = this, .question = id});
    question.shared = joined.question;
  } catch (...) {  // for want of memory: as if it had never come
    questions_.erase(id);
    environment_.limits.release(client);
    throw;
  }
  ask(joined);
  return questions_.find(id) != nullptr ? id : 0;
}

void Resolver::ask(const SharedQuestions::Joined& joined) {
  if (!joined.is_first) {
    environment_.metrics.joined.add();
    return;
  }
  Generation& generation = *generations_.back();
  GroupForwarder& group = *generation.groups[route_of(joined.question->query()).group];
  Errand* errand = nullptr;
  try {
    errand = &errands_.emplace(*this, joined.question, generation, group);
  } catch (const std::bad_alloc&) {
    // Whoever has joined meanwhile is told, or would wait for ever.
    distribute(environment_.questions.end(*joined.question), no_memory());
    return;
  }
  ++generation.open;
  group.forward(*errand);
}

QuestionId Resolver::refuse(const Query& query, const ExtendedError& error, ReplySink& sink) {
  ResolvedReply reply;
  reply.message = std::span(buffer_).first(write_failure(query, error, reply.rcode));
  sink(reply);
  return 0;
}

void Resolver::cancel(QuestionId id) {
  Question* const question = questions_.find(id);
  if (question != nullptr && question->sink) {
    question->sink = {};
    SharedQuestions::leave(*question->shared);
  }
}

void Resolver::set_plan(std::shared_ptr<const ForwardPlan> plan) {
  auto generation = std::make_unique<Generation>();
  for (const ServerGroup& group : plan->groups) {
    std::vector<std::unique_ptr<Upstream>> upstreams;
    upstreams.reserve(group.servers.size());
    for (const PreparedServer& server : group.servers) {
      upstreams.push_back(environment_.make_upstream(server));
    }
    GroupForwarder::Options options = options_.forward;
    options.policy = group.policy;
    options.turn = std::min(options.turn, group.longest_turn.value_or(options.turn));
    options.trusts_ad = group.trusts_ad;
    generation->groups.push_back(std::make_unique<GroupForwarder>(
        std::move(upstreams), options,
        GroupForwarder::Environment{.timers = environment_.timers,
                                    .health = environment_.health,
                                    .loops = environment_.loops,
                                    .metrics = environment_.forward_metrics}));
  }
  generation->plan = std::move(plan);
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
      errand.forwarder.forward(errand);
      return;
    }
    errand.waiters = *std::move(unwanted);
    conclude(errand, {.status = result.status, .reply = {}, .stored = {}});
    return;
  }
  const SharedResult shared = keep(errand, std::move(result));
  errand.waiters = environment_.questions.end(*errand.question);
  conclude(errand, shared);
}

void Resolver::conclude(Errand& errand, const SharedResult& result) {
  OneByOne each;
  bool others_know = false;
  each.take_step([&] {
    tell_others(errand.waiters, result);
    others_know = true;
  });
  each.take_step([&] { tell_own(errand.waiters, result); });
  // Only now: the forwarder is on the stack, and the sinks may have asked anew.
  --errand.generation.open;
  if (others_know) {
    errands_.erase(errand.id);
  } else {
    each.take_step([&] { errand.tell_again_soon(); });
  }
  each.finish();
}

// What came is gone by now. Who has been told already is not told again: give() knows.
void Resolver::tell_again(Errand& errand) {
  try {
    tell_others(errand.waiters, no_memory());
  } catch (...) {
    errand.tell_again_soon();
    throw;
  }
  errands_.erase(errand.id);
}

// Kept before anybody may ask anew; not what servers said that are not asked any more.
SharedResult Resolver::keep(const Errand& errand, ForwardResult result) {
  const bool may_keep = &errand.generation == generations_.back().get();
  try {
    return cached_.take(errand.question->query(), std::move(result), may_keep, buffer_);
  } catch (const std::bad_alloc&) {
    // As good as a reply that cannot be used: whoever waits is told, or would wait for ever.
    return {.status = ForwardStatus::kReply, .reply = {}, .stored = {}, .is_failure = true};
  }
}

void Resolver::distribute(const std::vector<Waiter>& waiters, const SharedResult& result) {
  OneByOne each;
  each.take_step([&] { tell_others(waiters, result); });
  each.take_step([&] { tell_own(waiters, result); });
  each.finish();
}

void Resolver::tell_own(const std::vector<Waiter>& waiters, const SharedResult& result) {
  OneByOne each;
  for (const Waiter& waiter : waiters) {
    if (waiter.party == this) {
      each.take_step([&] { give(waiter.question, result); });
    }
  }
  each.finish();
}

void Resolver::tell_others(const std::vector<Waiter>& waiters, const SharedResult& result) {
  std::map<WaitingParty*, std::vector<QuestionId>> others;
  for (const Waiter& waiter : waiters) {
    if (waiter.party != this) {
      others[waiter.party].push_back(waiter.question);
    }
  }
  for (auto& [party, questions] : others) {
    party->post_result(std::make_shared<const SharedResult>(result), std::move(questions));
  }
}

void Resolver::post_result(std::shared_ptr<const SharedResult> result,
                           std::vector<QuestionId> questions) {
  boost::asio::post(environment_.io, [this, given = std::move(result), ids = std::move(questions)] {
    OneByOne each;
    for (const QuestionId id : ids) {
      each.take_step([&] { give(id, *given); });
    }
    each.finish();
  });
}

void Resolver::give(QuestionId id, const SharedResult& result) {
  const auto question = questions_.take(id);
  if (question == nullptr) {
    return;  // a refresh: nobody waits
  }
  environment_.limits.release(question->client);
  if (!question->sink || (result.is_failure && question->has_stale && tell_stale(*question))) {
    return;
  }
  std::uint8_t rcode = 0;
  const std::size_t size = write_reply(*question, result, rcode);
  tell(*question,
       {.message = std::span(buffer_).first(size), .rcode = rcode, .server = result.server});
}

void Resolver::tell(Question& question, ResolvedReply reply) {
  ReplySink sink = std::exchange(question.sink, {});
  reply.question = question.id;
  reply.elapsed = environment_.clock.now() - question.started;
  sink(reply);
}

bool Resolver::tell_stale(Question& question) {
  CachedAnswers::Found found;
  try {
    found = cached_.find_stale(question.query, question.transport, buffer_);
  } catch (const std::bad_alloc&) {
    return false;  // as good as none
  }
  if (found.outcome != CachedAnswers::Outcome::kAnswered) {
    return false;
  }
  tell(question,
       {.message = std::span(buffer_).first(found.size), .rcode = found.rcode, .is_stale = true});
  return true;
}

void Resolver::answer_stale() {
  const TimePoint now = environment_.clock.now();
  while (!stale_times_.empty() && stale_times_.front().due <= now) {
    Question* const question = questions_.find(stale_times_.front().question);
    stale_times_.pop_front();
    // It stays a question: what comes is kept for the next client.
    if (question != nullptr && question->sink) {
      tell_stale(*question);
    }
  }
  arm_stale_timer();
}

void Resolver::arm_stale_timer() {
  if (stale_times_.empty() || stale_timer_->is_armed) {
    return;
  }
  stale_timer_->timer.expires_after(stale_times_.front().due - environment_.clock.now());
  stale_timer_->timer.async_wait([timer = stale_timer_](const boost::system::error_code& error) {
    if (error || timer->owner == nullptr) {
      return;
    }
    timer->is_armed = false;
    try {
      timer->owner->answer_stale();
    } catch (...) {
      timer->owner->arm_stale_timer();  // one that failed must not stop all others
      throw;
    }
  });
  stale_timer_->is_armed = true;
}

std::size_t Resolver::write_reply(const Question& question, const SharedResult& result,
                                  std::uint8_t& rcode) {
  if (result.status != ForwardStatus::kReply) {
    return write_failure(question.query, error_for(result.status), rcode);
  }
  RebuildResult rebuilt;
  try {
    rebuilt = cached_.write(result, question.query, question.transport, buffer_);
  } catch (const std::bad_alloc&) {  // as good as a reply that cannot be used
    rebuilt.status = RebuildStatus::kMalformed;
  }
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
