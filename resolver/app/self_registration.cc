#include "resolver/app/self_registration.h"

#include <cstddef>
#include <string>
#include <utility>

#include "base/file_system.h"
#include "base/log.h"
#include "discovery/xds/node.h"
#include "resolver/app/kuma_settings.h"

namespace meshdns::dns {
namespace {

// As Kuma's proxies name it; a refusal of ours begins with it, too.
const std::string kResource = "dataplane.resource";

}  // namespace

SelfRegistration::SelfRegistration(std::string path, std::string text, FileSystem& files,
                                   Logger& logger)
    : path_(std::move(path)), text_(std::move(text)), files_(files), logger_(logger) {}

void SelfRegistration::read() {
  auto dataplane = read_kuma_dataplane(files_, path_);
  if (dataplane) {
    text_ = std::move(dataplane->text);
    trouble_.clear();
  } else if (trouble_ != dataplane.error().message) {
    trouble_ = dataplane.error().message;
    logger_.warn("the Dataplane stays as it was: {}", trouble_);
  }
}

void SelfRegistration::complete(discovery::NodeInfo& node) {
  read();
  told_ = text_;
  if (text_ != refused_) {
    refused_.clear();
    refusal_.clear();
    node.metadata[kResource] = text_;
  }
}

void SelfRegistration::on_loss(const std::string& reason) {
  const std::size_t begin = reason.find(kResource + ": ");
  if (begin == std::string::npos || !refused_.empty()) {
    return;
  }
  refused_ = told_;
  refusal_ = escape_text(reason.substr(begin + kResource.size() + 2));
  logger_.error(
      "the control plane refuses the Dataplane, which is left out until its file changes file={} "
      "reason=\"{}\"",
      escape_name(path_), refusal_);
}

bool SelfRegistration::has_changed() {
  read();
  return text_ != told_;
}

}  // namespace meshdns::dns
