// What a stream is given at its first request.
#pragma once

#include <memory>
#include <utility>

#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

struct Admission {
  Admission() = default;
  // Who is nothing besides, is served the resources and that is all.
  // NOLINTNEXTLINE(google-explicit-constructor): an admission is resources, and maybe more.
  Admission(std::shared_ptr<ResourceSet> served) : resources(std::move(served)) {}
  Admission(std::shared_ptr<ResourceSet> served, std::shared_ptr<void> held)
      : resources(std::move(served)), presence(std::move(held)) {}

  std::shared_ptr<ResourceSet> resources;
  // Let go of when the stream has ended, on any thread.
  std::shared_ptr<void> presence;
};

}  // namespace meshdns::discovery
