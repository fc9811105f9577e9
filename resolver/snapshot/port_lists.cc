#include "resolver/snapshot/port_lists.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "discovery/service.h"

namespace meshdns::dns {
namespace {

using discovery::Protocol;

constexpr std::uint16_t kHttpsPort = 443;
constexpr std::string_view kHttpsName = "https";

Alpn alpn_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kHttp:
      return Alpn::kHttp11;
    case Protocol::kHttp2:
    case Protocol::kGrpc:
      return Alpn::kH2;
    default:
      return Alpn::kNone;
  }
}

std::string fold(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

bool says_tls(const Port& port) {
  return port.number == kHttpsPort || port.name == kHttpsName || port.name.starts_with("https-");
}

bool has_https_record(const Port& port, HttpsRecords wanted) {
  switch (wanted) {
    case HttpsRecords::kTlsPorts:
      return says_tls(port);
    case HttpsRecords::kAllHttpPorts:
      return says_tls(port) || port.alpn != Alpn::kNone;
    default:
      return false;
  }
}

// Equal for equal lists only: each name's size stands before it.
std::string key_of(const PortList& list) {
  std::string key;
  for (const Port& port : list) {
    key += std::to_string(port.number) + ' ' + std::string(port.protocol) + ' ' +
           std::to_string(port.name.size()) + ' ' + port.name;
  }
  return key;
}

}  // namespace

std::span<const Port> PortListView::find(PortListIndex index) const {
  if (index == kNoPorts || index == kPortsNotTold) {
    return {};
  }
  const std::size_t at = index - 1U;
  return *(*root_)[at / kListsPerChunk]->lists[at % kListsPerChunk];
}

PortLists::PortLists(HttpsRecords https_records) : https_records_(https_records) {}

PortListIndex PortLists::acquire(std::span<const discovery::ServicePort> ports) {
  PortList list = make_list(ports);
  if (list.empty()) {
    return kNoPorts;
  }
  std::string key = key_of(list);
  if (const auto found = indexes_.find(key); found != indexes_.end()) {
    ++uses_[found->second - 1U].owners;
    return found->second;
  }
  if (free_.empty()) {
    if (uses_.size() + 1 == kPortsNotTold) {
      return kPortsNotTold;
    }
    uses_.emplace_back();
    free_.push_back(static_cast<PortListIndex>(uses_.size()));
  }
  const PortListIndex index = free_.back();
  free_.pop_back();
  store(index, std::make_shared<const PortList>(std::move(list)));
  indexes_.emplace(key, index);
  uses_[index - 1U] = {.owners = 1, .key = std::move(key)};
  return index;
}

void PortLists::release(PortListIndex index) {
  if (index == kNoPorts || index == kPortsNotTold) {
    return;
  }
  Use& use = uses_[index - 1U];
  if (--use.owners > 0) {
    return;
  }
  indexes_.erase(use.key);
  use.key = {};
  store(index, nullptr);
  free_.push_back(index);
}

PortListView PortLists::view() const {
  PortListView view;
  view.root_ = root_;
  return view;
}

PortList PortLists::make_list(std::span<const discovery::ServicePort> ports) const {
  PortList list;
  list.reserve(ports.size());
  for (const discovery::ServicePort& port : ports) {
    Port added{.number = port.number,
               .alpn = alpn_of(port.protocol),
               .has_https_record = false,
               .protocol = port.protocol == Protocol::kTcp ? std::string_view()
                                                           : discovery::to_string(port.protocol),
               .name = fold(port.name)};
    added.has_https_record = has_https_record(added, https_records_);
    list.push_back(std::move(added));
  }
  std::ranges::stable_sort(list, {}, &Port::number);
  const auto repeated = std::ranges::unique(list, {}, &Port::number);
  list.erase(repeated.begin(), repeated.end());
  return list;
}

// A view that was given out keeps what it shows: whoever is not alone with a part copies it.
void PortLists::store(PortListIndex index, std::shared_ptr<const PortList> list) {
  const std::size_t at = index - 1U;
  if (root_.use_count() > 1) {
    root_ = std::make_shared<PortListView::Root>(*root_);
  }
  if (at / PortListView::kListsPerChunk == root_->size()) {
    root_->push_back(std::make_shared<PortListView::Chunk>());
  }
  auto& chunk = (*root_)[at / PortListView::kListsPerChunk];
  if (chunk.use_count() > 1) {
    chunk = std::make_shared<PortListView::Chunk>(*chunk);
  }
  chunk->lists.at(at % PortListView::kListsPerChunk) = std::move(list);
}

}  // namespace meshdns::dns
