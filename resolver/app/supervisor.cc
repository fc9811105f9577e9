#include "resolver/app/supervisor.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/exit_code.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/app/child_death.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/descriptor_channel.h"
#include "resolver/app/handover.h"
#include "resolver/app/heartbeats.h"
#include "resolver/app/keeper.h"
#include "resolver/app/keeper_message.h"
#include "resolver/app/launch.h"
#include "resolver/app/own_keeper.h"
#include "resolver/app/parent_link.h"
#include "resolver/app/privileges.h"
#include "resolver/app/reload_plan.h"
#include "resolver/app/restart_policy.h"
#include "resolver/app/static_files.h"
#include "resolver/server/listener.h"

namespace meshdns::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Reading the state folder and the first table is no hang.
constexpr seconds kStartTime{60};
// A resolver that was started again waits so long for a table before it reads its sockets: less
// than a stub resolver waits before it asks again (glibc: 5 s).
constexpr seconds kTableTime{1};
// From SIGABRT, whose core takes time to write, to SIGKILL.
constexpr seconds kAbortTime{2};
// Longer than the resolver's own bound for draining, and for its journal.
constexpr seconds kDrainTime{10};

void earliest(std::optional<TimePoint>& soonest, std::optional<TimePoint> other) {
  if (other && (!soonest || *other < *soonest)) {
    soonest = other;
  }
}

}  // namespace

Supervisor::Supervisor(LoadedConfig loaded, ConfigSources sources, Launch launch,
                       const Environment& environment)
    : loaded_(std::move(loaded)),
      sources_(std::move(sources)),
      launch_(std::move(launch)),
      environment_(environment) {}

Supervisor::~Supervisor() = default;

std::variant<ExitCode, Supervisor::Resolver> Supervisor::run() {
  if (const auto prepared = prepare(); !prepared) {
    log_->error("{}", prepared.error().message);
    return exit_code_of(prepared.error().code);
  }
  TimePoint now = environment_.clock.now();
  spawn_at_ = now;
  while (!end_) {
    if (spawn_at_ && now >= *spawn_at_) {
      spawn_at_.reset();
      if (auto resolver = spawn(now)) {
        return *std::move(resolver);
      }
    }
    wait(now);
    now = listen();
    on_time(now);
  }
  if (!handed_over_) {
    launch_.manager.tell("STOPPING=1");
  }
  return *end_;
}

Result<void> Supervisor::prepare() {
  auto logs = Logs::create(loaded_.config.log, LogThread::kCaller);
  if (!logs) {
    return tl::unexpected(std::move(logs.error()));
  }
  logs_ = *std::move(logs);
  log_ = &logs_->logger("supervisor");
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) {
    sigaddset(&handled, number);
  }
  pthread_sigmask(SIG_BLOCK, &handled, nullptr);
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  signals_.reset(::signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) {
    return tl::unexpected(errno_error(errno, "cannot wait for signals"));
  }
  for (const Listener& listener : launch_.sockets.listeners) {
    store(launch_.manager, listener);
  }
  if (const auto interval = launch_.manager.watchdog()) {
    manager_at_ = environment_.clock.now() + *interval;
  }
  if (!launch_.predecessor) {
    open_handover();
  }
  return {};
}

std::optional<Supervisor::Resolver> Supervisor::spawn(TimePoint now) {
  auto ends = make_channel();
  const pid_t parent = ::getpid();
  const pid_t pid = ends ? ::fork() : -1;
  if (pid < 0) {
    const std::string reason =
        ends ? errno_error(errno, "cannot fork").message : ends.error().message;
    log_->error("{}; trying again", reason);
    spawn_at_ = now + RestartPolicy::kCap;
    return std::nullopt;
  }
  if (pid == 0) {
    return become_resolver(std::move(ends->second), parent);
  }
  Child child{.pid = pid,
              .channel = std::move(ends->first),
              .started = now,
              .beats = Heartbeats(std::size_t{1} + launch_.sockets.workers, now + kStartTime),
              .oom_kills = count_oom_kills()};
  if (ever_served_ && !anybody_answers()) {
    child.begin_at = now + kTableTime;
  }
  children_.push_back(std::move(child));
  return std::nullopt;
}

Supervisor::Resolver Supervisor::become_resolver(UniqueFd channel, pid_t parent) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): prctl(2) is declared so.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    std::_Exit(static_cast<int>(ExitCode::kOther));
  }
  restore_oom_score(launch_.oom_score);
  drop_capabilities();
  ParentLink::Options options;
  options.sockets = std::move(launch_.sockets);
  const bool others_answer =
      anybody_answers() || (launch_.predecessor && launch_.predecessor->has_table);
  options.beginning = others_answer  ? Keeper::Beginning::kInTurn
                      : ever_served_ ? Keeper::Beginning::kWithTable
                                     : Keeper::Beginning::kAtOnce;
  options.beat_interval = beat_interval(loaded_.config.watchdog);
  Resolver resolver{.loaded = std::move(loaded_),
                    .keeper = std::make_unique<ParentLink>(std::move(options), std::move(channel)),
                    .kept = {}};
  if (ever_served_) {
    resolver.kept = std::move(records_);
    if (!resolv_conf_.empty()) {
      resolver.kept->insert_or_assign(resolver.loaded.config.upstreams.resolv_conf, resolv_conf_);
    }
  }
  records_.clear();
  // What only the parent may hold.
  children_.clear();
  handover_.close();
  launch_ = {};
  signals_.reset();
  logs_.reset();
  return resolver;
}

std::optional<TimePoint> Supervisor::wake_at() const {
  std::optional<TimePoint> at = spawn_at_;
  earliest(at, manager_at_);
  earliest(at, handover_.deadline());
  const auto watchdog = loaded_.config.watchdog;
  for (const Child& child : children_) {
    earliest(at, child.begin_at);
    earliest(at, child.kill_at);
    if (watchdog.count() != 0 && !child.ending && !child.kill_at) {
      earliest(at, child.beats.due(watchdog));
    }
  }
  return at;
}

void Supervisor::wait(TimePoint now) {
  std::vector<pollfd> entries;
  const auto add = [&](int fd) { entries.push_back({.fd = fd, .events = POLLIN, .revents = 0}); };
  add(signals_.get());
  for (const Child& child : children_) {
    add(child.channel.get());
  }
  for (const int fd : handover_.descriptors()) {
    add(fd);
  }
  if (launch_.predecessor) {
    add(launch_.predecessor->channel.get());
  }
  // With a watchdog it never sleeps longer than a resolver that is well.
  const milliseconds interval = beat_interval(loaded_.config.watchdog);
  int timeout = interval.count() == 0 ? -1 : static_cast<int>(interval.count());
  if (const auto at = wake_at()) {
    const auto rest = std::chrono::ceil<milliseconds>(*at - now);
    const auto bound = timeout < 0 ? std::int64_t{INT32_MAX} : std::int64_t{timeout};
    timeout = static_cast<int>(std::clamp<std::int64_t>(rest.count(), 0, bound));
  }
  if (::poll(entries.data(), entries.size(), timeout) < 0 && errno != EINTR) {
    log_->error("{}", errno_error(errno, "cannot wait").message);
  }
  const TimePoint woken = listen();
  for (Child& child : children_) {
    on_channel(child);
  }
  if (launch_.predecessor) {
    on_predecessor();
  }
  handover_.on_readable(woken);
  on_signals();
}

// The time. Whatever comes between two looks at it, a pause of any length or what this thread has
// to do, is told from a resolver that hangs.
TimePoint Supervisor::listen() {
  const TimePoint now = environment_.clock.now();
  const auto watchdog = loaded_.config.watchdog;
  if (watchdog.count() != 0) {
    for (Child& child : children_) {
      child.beats.listen(now, watchdog);
    }
  }
  return now;
}

void Supervisor::on_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGHUP) {
      const Child* const child = current();
      reload_waits_ = child == nullptr || child->frozen;
      if (!reload_waits_) {
        ::kill(child->pid, SIGHUP);
      }
    } else if (number != SIGCHLD) {
      log_->info("stopping signal={}", number);
      stopping_ = true;
      spawn_at_.reset();
      launch_.sockets.admin.reset();  // who asks there is refused, and does not wait for nobody
      launch_.manager.tell("STOPPING=1");
      if (children_.empty()) {
        end_ = ExitCode::kSuccess;
      }
      for (Child& child : children_) {
        end_child(child, environment_.clock.now());
      }
    }
  }
  reap();
}

void Supervisor::reap() {
  int status = 0;
  for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto found = std::ranges::find(children_, pid, &Child::pid);
    if (found == children_.end()) {
      continue;
    }
    on_channel(*found);  // its last words
    const Child dead = std::move(*found);
    children_.erase(found);
    on_death(dead, status);
  }
}

void Supervisor::on_death(const Child& child, int status) {
  const auto now_killed = count_oom_kills();
  const ChildDeath death{.status = status,
                         .oom_killed = child.oom_kills && now_killed > child.oom_kills};
  const auto code = death.exit_code();
  if (stopping_ || handed_over_) {
    if (children_.empty()) {
      end_ = code ? static_cast<ExitCode>(*code) : ExitCode::kOther;
    }
    if (code != 0) {
      log_->error("the resolver died while it stopped: {}", death.to_string());
    }
    return;
  }
  if (child.ending) {  // another one has taken its place
    return;
  }
  if (code == 0) {  // somebody told it to stop without us
    end_ = ExitCode::kSuccess;
    return;
  }
  const bool is_refusal = code && *code <= static_cast<int>(ExitCode::kFile);
  if (!ever_served_ && (is_refusal || launch_.predecessor)) {
    if (launch_.predecessor) {
      log_->error("not taken over, the predecessor goes on: {}", death.to_string());
    }
    end_ = code ? static_cast<ExitCode>(*code) : ExitCode::kOther;  // it has said why
    return;
  }
  start_again(child, death.to_string());
}

void Supervisor::start_again(const Child& child, const std::string& how) {
  const TimePoint now = environment_.clock.now();
  const auto uptime = now - child.started;
  if (handover_.has_frozen()) {
    log_->error("the resolver died while a successor takes over: {}", how);
    // It has the sockets; or else it is never given them now, and go_on() follows.
    handover_.on_frozen({.kind = MessageKind::kFrozen, .text = "the resolver died"}, now);
    return;
  }
  // A frozen one answers, but it has let its state folder go, and learns nothing any more.
  if (Child* const next = current(); next != nullptr && !next->frozen) {
    log_->error("the resolver died, another one takes its place: {}", how);
    if (!next->serving && !next->begin_at) {
      next->begin_at = now + kTableTime;
    }
    return;
  }
  const auto delay = policy_.next(uptime);
  spawn_at_ = now + delay;
  log_->error("the resolver died: {} pid={} uptime={}ms restart_in={}ms", how, child.pid,
              std::chrono::duration_cast<milliseconds>(uptime).count(), delay.count());
}

void Supervisor::on_channel(Child& child) {
  while (child.channel.valid()) {
    const auto packet = receive_packet(child.channel.get(), milliseconds(0));
    if (!packet && packet.error().code == ErrorCode::kUnavailable) {
      return;
    }
    if (!packet || packet->octets.empty()) {
      child.channel.reset();  // SIGCHLD follows, or the watchdog
      return;
    }
    if (const auto message = decode_keeper_message(packet->octets)) {
      on_message(child, *message);
    }
  }
}

void Supervisor::on_message(Child& child, const KeeperMessage& message) {
  switch (message.kind) {
    case MessageKind::kBeat:
      child.beats.beat(message.number, environment_.clock.now());
      break;
    case MessageKind::kServing:
      on_serving(child);
      break;
    case MessageKind::kReloading:
      launch_.manager.tell_reloading();
      break;
    case MessageKind::kReloaded:
      take_reload();
      [[fallthrough]];
    case MessageKind::kNotReloaded:
      launch_.manager.tell("READY=1");
      break;
    case MessageKind::kBind:
      bind_for(child, message.configured);
      break;
    case MessageKind::kRelease:
      release(message.configured);
      break;
    case MessageKind::kAsks:
      resolv_conf_ = message.text;
      break;
    case MessageKind::kFrozen:
      child.frozen = true;
      handover_.on_frozen(message, environment_.clock.now());
      break;
    default:
      break;
  }
}

void Supervisor::on_serving(Child& child) {
  if (std::exchange(child.serving, true)) {
    return;
  }
  child.begin_at.reset();
  if (std::exchange(reload_waits_, false)) {
    ::kill(child.pid, SIGHUP);
  }
  if (!std::exchange(ever_served_, true)) {
    launch_.manager.tell(fmt::format("READY=1\nMAINPID={}", ::getpid()));
    keep_records();
  } else {
    log_->info(
        "the resolver answers again pid={} after_ms={}", child.pid,
        std::chrono::duration_cast<milliseconds>(environment_.clock.now() - child.started).count());
  }
  if (launch_.predecessor) {
    static_cast<void>(send_packet(launch_.predecessor->channel.get(),
                                  encode({.kind = MessageKind::kTaken}), {}, milliseconds(0)));
  }
  for (Child& other : children_) {
    if (&other != &child) {
      end_child(other, environment_.clock.now());
    }
  }
}

void Supervisor::on_predecessor() {
  if (!launch_.predecessor) {
    return;
  }
  const auto packet = receive_packet(launch_.predecessor->channel.get(), milliseconds(0));
  if (!packet && packet.error().code == ErrorCode::kUnavailable) {
    return;
  }
  const auto message =
      packet && !packet->octets.empty()
          ? decode_keeper_message(packet->octets)
          : Result<KeeperMessage>(KeeperMessage{.kind = MessageKind::kGone});  // without a word
  if (message && message->kind == MessageKind::kRefused) {
    log_->error("not taken over, the predecessor goes on: {}", escape_text(message->text));
    end_ = ExitCode::kOther;
    for (const Child& child : children_) {
      ::kill(child.pid, SIGKILL);
      ::waitpid(child.pid, nullptr, 0);
    }
    children_.clear();
    return;
  }
  log_->info("taken over from the predecessor");
  launch_.predecessor.reset();
  open_handover();
}

void Supervisor::open_handover() {
  // Without the folder's lock the socket there is another one's, or there is no folder.
  if (!launch_.lock.valid()) {
    return;
  }
  if (const auto opened = handover_.open(loaded_.config.state.directory); !opened) {
    log_->warn("no successor can take over: {}", opened.error().message);
  }
}

void Supervisor::bind_for(const Child& child, const SocketAddress& address) {
  const std::vector<ListenAddress> wanted{{.address = address}};
  auto bound = bind_listeners(environment_.sockets, wanted, launch_.sockets.workers);
  Result<void> done;
  if (bound) {
    Listener& listener = bound->listeners.front();
    done = send_listener(child.channel.get(), listener, milliseconds(0));
    if (done) {
      store(launch_.manager, listener);
      launch_.sockets.listeners.push_back(std::move(listener));
    }
  } else {
    done = tl::unexpected(std::move(bound.error()));
  }
  KeeperMessage reply{.kind = MessageKind::kBound};
  if (!done) {
    reply.number = static_cast<std::uint32_t>(done.error().code) + 1;
    reply.text = done.error().message;
  }
  static_cast<void>(send_packet(child.channel.get(), encode(reply), {}, milliseconds(0)));
}

void Supervisor::release(const SocketAddress& configured) {
  std::erase_if(launch_.sockets.listeners,
                [&](const Listener& listener) { return listener.configured == configured; });
  launch_.manager.forget(configured);
}

// As the resolver did, from the same sources; it has said that they are good.
void Supervisor::take_reload() {
  LoadedConfig loaded = load_config_again(sources_, environment_.files, loaded_);
  if (loaded.errors.empty()) {
    loaded_ = plan_reload(loaded_, std::move(loaded)).next;
    static_cast<void>(logs_->set_level(loaded_.config.log.level));
    keep_records();
  }
}

// The resolver has just read them, and found no mistake in them.
void Supervisor::keep_records() {
  const Config::Records& records = loaded_.config.records;
  records_ = read_texts(environment_.files, records.zone_files);
  records_.merge(read_texts(environment_.files, records.hosts_files));
}

void Supervisor::on_time(TimePoint now) {
  const auto watchdog = launch_.manager.watchdog();
  if (manager_at_ && watchdog && now >= *manager_at_) {
    launch_.manager.tell("WATCHDOG=1");
    manager_at_ = now + *watchdog;
  }
  handover_.on_time(now);
  for (Child& child : children_) {
    if (child.begin_at && now >= *child.begin_at) {
      child.begin_at.reset();
      tell(child, MessageKind::kBegin);
    }
    watch(child, now);
  }
}

void Supervisor::watch(Child& child, TimePoint now) {
  if (child.kill_at) {
    if (now >= *child.kill_at) {
      log_->error("the resolver does not end: killing it pid={}", child.pid);
      ::kill(child.pid, SIGKILL);
      child.kill_at = now + kDrainTime;
    }
    return;
  }
  const auto watchdog = loaded_.config.watchdog;
  if (watchdog.count() == 0 || child.ending) {
    return;
  }
  if (const auto silence = child.beats.silence(now, watchdog)) {
    log_->error("the resolver hangs: aborting it pid={} thread={} silent_for={}ms", child.pid,
                silence->thread, silence->duration.count());
    ::kill(child.pid, SIGABRT);
    ::kill(child.pid, SIGCONT);  // one that was stopped dies too
    child.kill_at = now + kAbortTime;
  }
}

void Supervisor::end_child(Child& child, TimePoint now) {
  ::kill(child.pid, SIGTERM);
  if (!std::exchange(child.ending, true)) {
    child.kill_at = now + kDrainTime;
  }
}

void Supervisor::tell(const Child& child, MessageKind kind) {
  if (child.channel.valid()) {
    static_cast<void>(
        send_packet(child.channel.get(), encode({.kind = kind}), {}, milliseconds(0)));
  }
}

Supervisor::Child* Supervisor::current() {
  const auto newest = std::ranges::find_if(children_.rbegin(), children_.rend(),
                                           [](const Child& child) { return !child.ending; });
  return newest == children_.rend() ? nullptr : &*newest;
}

bool Supervisor::anybody_answers() const { return std::ranges::any_of(children_, &Child::serving); }

void Supervisor::freeze() {
  Child* const child = current();
  if (child == nullptr || !child->serving || children_.size() != 1) {
    handover_.on_frozen(
        {.kind = MessageKind::kFrozen, .text = "the resolver is just being started, try again"},
        environment_.clock.now());
    return;
  }
  log_->info("a successor takes over");
  tell(*child, MessageKind::kFreeze);
}

void Supervisor::hand_over() {
  log_->info("handed over to a successor");
  handed_over_ = true;
  if (children_.empty()) {
    end_ = ExitCode::kSuccess;
  }
  for (Child& child : children_) {
    end_child(child, environment_.clock.now());
  }
}

// The resolver has let its state folder go: a fresh one takes its place, and it answers meanwhile.
// One that is just being started was not asked to.
void Supervisor::go_on(const std::string& reason) {
  log_->error("going on, the successor has failed: {}", escape_text(reason));
  const Child* const child = current();
  const bool is_starting = child != nullptr && !child->serving;
  if (!stopping_ && !is_starting) {
    spawn_at_ = environment_.clock.now();
  }
}

}  // namespace meshdns::dns
