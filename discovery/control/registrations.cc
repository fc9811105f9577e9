#include "discovery/control/registrations.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/error_code.hpp>
#include <fmt/format.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/control/entity_source.h"
#include "discovery/control/registration_file.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_documents.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {
namespace {

const std::string kResource = "dataplane.resource";
// A status goes in a header, which is bounded.
constexpr std::size_t kMaxReasonOctets = 1000;
// From a change until all are written: many come at once when a control plane starts.
constexpr std::chrono::seconds kWritePause{1};
const std::string kZone = "kuma.io/zone";

EntitySource source_of(const DataplaneId& id) {
  return {SourceKind::kStream, id.mesh + "." + id.name};
}

tl::unexpected<Error> refuse(const std::string& reason) {
  return fail(ErrorCode::kInvalidArgument, kResource + ": " + reason);
}

// Why the dataplane may not be this node's; empty: it may.
std::string contradiction(const Dataplane& dataplane, const NodeInfo& node) {
  const std::string id = dataplane.mesh + "." + dataplane.name;
  if (node.id != id) {
    return fmt::format("it is {}, and the node {}", escape_name(id), escape_name(node.id));
  }
  const auto mesh = node.metadata.find("mesh");
  if (mesh != node.metadata.end() && mesh->second != dataplane.mesh) {
    return fmt::format("it is of the mesh {}, and the node of {}", escape_name(dataplane.mesh),
                       escape_name(mesh->second));
  }
  return {};
}

// Why the dataplane is not of `zone`; empty: it is, or does not say.
std::string contradiction_of_zone(const Dataplane& dataplane, const std::string& zone) {
  const auto differs = [&](const std::map<std::string, std::string>& map) {
    const auto found = map.find(kZone);
    return found != map.end() && found->second != zone ? std::optional(found->second)
                                                       : std::nullopt;
  };
  if (const auto other = differs(dataplane.labels)) {
    return fmt::format("labels: {} is {}, and the control plane's zone {}", kZone,
                       escape_name(*other), escape_name(zone));
  }
  for (std::size_t i = 0; i < dataplane.inbounds.size(); ++i) {
    if (const auto other = differs(dataplane.inbounds[i].tags)) {
      return fmt::format("networking.inbound[{}].tags: {} is {}, and the control plane's zone {}",
                         i, kZone, escape_name(*other), escape_name(zone));
    }
  }
  return {};
}

// A Dataplane that may count, in this zone.
Result<std::shared_ptr<const Dataplane>> parse_registration(const std::string& text,
                                                            const std::string& zone) {
  const std::vector<YamlDocument> documents = split_documents(text);
  if (documents.size() != 1) {
    return refuse("it must be one Dataplane");
  }
  const ParsedDocument parsed = parse_document(documents.front().text);
  if (!parsed.dataplane) {
    std::string reasons;
    for (const FieldProblem& each : parsed.problems) {
      if (reasons.size() > kMaxReasonOctets) {
        reasons += "; and more";
        break;
      }
      reasons += reasons.empty() ? "" : "; ";
      reasons += each.field.empty() ? "" : each.field + ": ";
      reasons += each.problem.reason;
    }
    return refuse(reasons.empty() ? "it is empty" : reasons);
  }
  if (parsed.dataplane->kind != EntityKind::kDataplane) {
    return refuse("it must be one Dataplane");
  }
  if (const std::string reason = contradiction_of_zone(*parsed.dataplane, zone); !reason.empty()) {
    return refuse(reason);
  }
  auto dataplane = std::make_shared<Dataplane>(*parsed.dataplane);
  dataplane->labels.try_emplace(kZone, zone);
  return dataplane;
}

}  // namespace

Registrations::Registrations(Options options, boost::asio::io_context& io, DataplaneStore& store,
                             Logger& logger, std::function<void()> on_change)
    : options_(std::move(options)),
      io_(io),
      store_(store),
      logger_(logger),
      on_change_(std::move(on_change)) {}

Result<std::shared_ptr<void>> Registrations::admit(const NodeInfo& node) {
  const auto resource = node.metadata.find(kResource);
  if (resource == node.metadata.end()) {
    return nullptr;
  }
  auto dataplane = parse_registration(resource->second, options_.zone);
  if (!dataplane) {
    return tl::unexpected(std::move(dataplane.error()));
  }
  std::string reason = contradiction(**dataplane, node);
  if (reason.empty() && !node.zone.empty() && node.zone != options_.zone) {
    reason = fmt::format("the node's zone is {}, and the control plane's {}",
                         escape_name(node.zone), escape_name(options_.zone));
  }
  if (!reason.empty()) {
    return refuse(reason);
  }
  const std::uint64_t stream = ++last_stream_;
  auto brought = std::make_shared<const Brought>(Brought{*dataplane, resource->second});
  boost::asio::post(io_, [this, stream, brought = std::move(brought)] { join(stream, brought); });
  return std::shared_ptr<void>(nullptr, [this, stream, id = (*dataplane)->id()](std::nullptr_t) {
    boost::asio::post(io_, [this, stream, id] { leave(stream, id); });
  });
}

void Registrations::load(const std::string& folder, FileSystem& files) {
  auto opened = RegistrationFile::open(folder, files);
  auto held = opened.and_then([](const auto& file) { return file->read(); });
  if (!held) {
    note_ = fmt::format("dataplanes that register themselves are not kept over a restart: {}",
                        escape_text(held.error().message));
    logger_.warn("{}", note_);
    return;
  }
  file_ = *std::move(opened);
  for (const std::string& text : *held) {
    const auto dataplane = parse_registration(text, options_.zone);
    if (!dataplane) {
      logger_.warn("a dataplane that had registered itself is no good any more: {}",
                   dataplane.error().message);
      continue;
    }
    const DataplaneId id = (*dataplane)->id();
    Registration& registration = registered_[id];
    registration.text = text;
    count(*dataplane);
  }
}

void Registrations::await_streams() {
  for (auto& [id, registration] : registered_) {
    if (registration.stream == 0) {
      begin_removal(registration, id);
    }
  }
}

void Registrations::join(std::uint64_t stream, const BroughtPtr& brought) {
  const DataplaneId id = brought->dataplane->id();
  const auto [place, is_new] = registered_.try_emplace(id);
  Registration& registration = place->second;
  registration.lasting.emplace(stream, brought);
  if (registration.stream > stream) {
    return;  // they were posted in another order than they came in
  }
  if (is_new) {
    logger_.info("a dataplane registered itself dataplane={}", escape_name(id.to_string()));
  } else if (registration.removal == nullptr) {
    logger_.warn("a dataplane registered itself by a second stream, which counts dataplane={}",
                 escape_name(id.to_string()));
  }
  count_stream(registration, stream, *brought);
}

void Registrations::count_stream(Registration& registration, std::uint64_t stream,
                                 const Brought& brought) {
  if (registration.text != brought.text) {
    registration.text = brought.text;
    note_change();
  }
  registration.stream = stream;
  registration.removal = nullptr;
  count(brought.dataplane);
  store_.commit();
  on_change_();
}

void Registrations::count(const std::shared_ptr<const Dataplane>& dataplane) {
  const DataplaneId id = dataplane->id();
  store_.change(source_of(id),
                {.put = {{id, {dataplane, std::make_shared<const int>(1)}}}, .removed = {}});
}

void Registrations::leave(std::uint64_t stream, const DataplaneId& id) {
  const auto place = registered_.find(id);
  if (place == registered_.end()) {
    return;
  }
  place->second.lasting.erase(stream);
  if (place->second.stream == stream) {
    begin_removal(place->second, id);
  }
}

void Registrations::begin_removal(Registration& registration, const DataplaneId& id) {
  registration.removal =
      std::make_unique<boost::asio::steady_timer>(io_, options_.deregistration_delay);
  registration.removal->async_wait(
      [this, stream = registration.stream, id](const boost::system::error_code& error) {
        if (error) {
          return;
        }
        // It may have come back when this was on its way already.
        const auto waiting = registered_.find(id);
        if (waiting != registered_.end() && waiting->second.stream == stream) {
          end_delay(id);
        }
      });
}

void Registrations::end_delay(const DataplaneId& id) {
  Registration& registration = registered_.at(id);
  if (registration.lasting.empty()) {
    forget(id);
    return;
  }
  const auto& [stream, brought] = *registration.lasting.rbegin();
  logger_.info("a dataplane is what an older stream of it brought dataplane={}",
               escape_name(id.to_string()));
  count_stream(registration, stream, *brought);
}

void Registrations::note_change() {
  if (file_ != nullptr && !std::exchange(is_changed_, true) && !is_writing_) {
    write_later();
  }
}

void Registrations::write_later() {
  write_timer_.expires_after(kWritePause);
  write_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) {
      write();
    }
  });
}

void Registrations::write() {
  if (file_ == nullptr || !is_changed_ || is_writing_) {
    return;
  }
  is_changed_ = false;
  is_writing_ = true;
  boost::asio::post(disk_, [this, dataplanes = texts()] {
    boost::asio::post(io_, [this, written = file_->write(dataplanes)] { on_written(written); });
  });
}

void Registrations::on_written(const Result<void>& written) {
  is_writing_ = false;
  const std::string before = std::exchange(note_, "");
  if (!written) {
    is_changed_ = true;
    note_ = fmt::format("dataplanes that register themselves cannot be kept over a restart: {}",
                        escape_text(written.error().message));
    if (note_ != before) {
      logger_.warn("{}", note_);
    }
  }
  if (is_changed_) {
    write_later();
  }
}

void Registrations::finish() {
  disk_.join();
  // Nobody has heard how a write that was under way went.
  if (file_ != nullptr && (is_changed_ || is_writing_)) {
    if (const auto written = file_->write(texts()); !written) {
      logger_.warn("dataplanes that registered themselves are not kept over a restart: {}",
                   escape_text(written.error().message));
    }
  }
}

std::vector<std::string> Registrations::texts() const {
  std::vector<std::string> texts;
  texts.reserve(registered_.size());
  for (const auto& [id, registration] : registered_) {
    texts.push_back(registration.text);
  }
  return texts;
}

void Registrations::forget(const DataplaneId& id) {
  logger_.info("a dataplane left that had registered itself dataplane={}",
               escape_name(id.to_string()));
  registered_.erase(id);
  note_change();
  store_.change(source_of(id), {.put = {}, .removed = {id}});
  store_.commit();
  on_change_();
}

}  // namespace meshdns::discovery
