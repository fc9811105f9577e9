#include "discovery/feeds/feed_log.h"

#include <cstdint>
#include <fcntl.h>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/file_replacement.h"
#include "base/file_system.h"
#include "base/result.h"
#include "discovery/feeds/feed_log_format.h"
#include "discovery/feeds/feed_log_reader.h"
#include "discovery/feeds/feed_log_survey.h"

namespace meshdns::discovery {
namespace {

constexpr mode_t kFileMode = 0600;

std::uint64_t new_generation() {
  std::random_device random;
  // Never 0, which means none.
  return (std::uint64_t{random()} << 32U) | random() | 1U;
}

}  // namespace

bool FeedLog::Loaded::covers(const Position& position) const {
  const FeedLogSummary& said = summary();
  if (said.kind != FeedLogKind::kLog || position.generation == 0) {
    return false;
  }
  return said.generation == position.generation ? said.end_offset >= position.octets : said.whole;
}

Result<FeedLog::Loaded> FeedLog::load() const {
  auto source = FeedLogSource::open(files_, path_);
  if (!source && source.error().code == ErrorCode::kNotFound) {
    return Loaded();
  }
  return std::move(source).and_then([this](FeedLogSource file) {
    return survey(std::move(file)).map([](FeedLogSurvey survey) {
      return Loaded{.survey = std::move(survey)};
    });
  });
}

FeedLog::Position FeedLog::peek() const {
  const auto file = open_regular(files_, path_);
  if (!file) {
    return {};
  }
  std::string head(kMaxFeedHeaderOctets, '\0');
  const auto count = read_all_at(files_, file->fd.get(), 0, head);
  if (!count) {
    return {};
  }
  head.resize(*count);
  return {.generation = parse_feed_header(head, fingerprint_).generation, .octets = file->octets};
}

Result<void> FeedLog::begin(const Loaded& loaded) {
  const FeedLogSummary& said = loaded.summary();
  if (said.kind == FeedLogKind::kForeign) {
    lost_ = true;
    return fail(ErrorCode::kCorrupt, path_ + " is no log of a feed, and is left alone");
  }
  if (said.kind == FeedLogKind::kLog) {
    generation_ = said.generation;
    octets_ = said.end_offset;
    base_octets_ = octets_;
    in_doubt_ = said.cut;
  }
  if (said.kind == FeedLogKind::kOther || said.kind == FeedLogKind::kOtherVersion) {
    // Best effort: whoever goes back finds it again.
    std::ignore = files_.rename(path_, path_ + ".old");
  }
  if (generation_ == 0 || in_doubt_) {
    auto written = write_anew(loaded.survey, {});
    broken_ = !written;
    return written;
  }
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    broken_ = true;
    return tl::unexpected(std::move(file.error()));
  }
  file_ = *std::move(file);
  return {};
}

Result<void> FeedLog::append(std::string_view records) {
  if (broken_ || lost_) {
    fall_behind(records);
    return {};
  }
  if (auto written = write_all(files_, file_.get(), records); !written) {
    fall_behind(records);
    return fail(path_, std::move(written.error()));
  }
  octets_ += records.size();
  unsynced_ = true;
  return octets_ > 2 * base_octets_ + kSlackBytes ? rewrite() : Result<void>();
}

Result<void> FeedLog::sync() {
  if (!unsynced_ || broken_) {
    return {};
  }
  unsynced_ = false;
  if (auto synced = files_.sync(file_.get()); !synced) {
    fall_behind({});
    return fail(path_, std::move(synced.error()));
  }
  return {};
}

FeedLog::Position FeedLog::position() const {
  return broken_ || lost_ ? Position{} : Position{.generation = generation_, .octets = octets_};
}

// Nobody knows what of a failed write is in the file: it counts up to where it was good.
void FeedLog::fall_behind(std::string_view records) {
  broken_ = true;
  file_.reset();
  if (lost_ || backlog_.size() + records.size() > kMaxBacklogBytes) {
    give_up();
    return;
  }
  backlog_ += records;
}

void FeedLog::give_up() {
  broken_ = true;
  file_.reset();
  backlog_ = {};
  if (!std::exchange(lost_, true)) {
    std::ignore = files_.remove(path_);  // what it says would be too old to be of use
  }
}

Result<FeedLogSurvey> FeedLog::survey(FeedLogSource source) const {
  auto made = FeedLogSurvey::make(std::move(source), fingerprint_);
  return made ? std::move(made) : fail(path_, std::move(made.error()));
}

Result<void> FeedLog::rewrite() {
  auto held = Result<FeedLogSurvey>();
  if (generation_ != 0) {
    held = FeedLogSource::open(files_, path_).and_then([this](FeedLogSource source) {
      source.octets = octets_;  // what is behind them is in the backlog, whole
      return survey(std::move(source));
    });
  }
  if (!held) {
    broken_ = true;
    return tl::unexpected(std::move(held.error()));
  }
  if (generation_ != 0 &&
      (held->summary().end_offset != octets_ || held->summary().generation != generation_)) {
    in_doubt_ = true;  // it is another than it was
  }
  auto written = write_anew(*held, backlog_);
  broken_ = !written;
  if (written) {
    backlog_ = {};
  }
  return written;
}

Result<void> FeedLog::write_anew(const FeedLogSurvey& held, std::string_view more) {
  auto replacement = FileReplacement::begin(files_, path_, kFileMode);
  if (!replacement) {
    return tl::unexpected(std::move(replacement.error()));
  }
  const std::uint64_t generation = new_generation();
  std::uint64_t octets = 0;
  const auto write = [&](std::string_view data) {
    octets += data.size();
    return replacement->append(data);
  };
  std::string header;
  append_feed_header(fingerprint_, generation, header);
  FeedRecords last;
  auto written = write(header).and_then([&] { return copy(held, write); });
  last.say_whole(held.summary().whole && !in_doubt_);
  written = written.and_then([&] { return write(last.take()); })
                .and_then([&] { return write(more); })
                .and_then([&] { return replacement->commit(); });
  if (!written) {
    return written;
  }
  auto file = files_.open(path_, O_WRONLY | O_APPEND | O_NOFOLLOW, 0);
  if (!file) {
    // What is there is whole, but not ours to append to.
    generation_ = generation;
    octets_ = octets;
    return tl::unexpected(std::move(file.error()));
  }
  file_ = *std::move(file);
  generation_ = generation;
  octets_ = octets;
  base_octets_ = octets;
  unsynced_ = false;
  in_doubt_ = false;
  return {};
}

Result<void> FeedLog::copy(const FeedLogSurvey& held, const Write& write) {
  Result<void> written;
  const auto read = held.for_each_part([&](std::span<const HeldResource> part) {
    FeedRecords records;
    for (const HeldResource& resource : part) {
      records.set(resource.name, resource.version, resource.value);
    }
    written = write(records.take());
    return written.has_value();
  });
  if (!read) {
    // Where somebody else has written to it, the next try must not believe that it is all.
    in_doubt_ = in_doubt_ || read.error().code == ErrorCode::kCorrupt;
    return fail(path_, read.error());
  }
  return written;
}

}  // namespace meshdns::discovery
