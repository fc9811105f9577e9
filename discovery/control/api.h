// The API: entities over HTTP, at Kuma's paths and in Kuma's JSON.
//
//   GET            /meshes/MESH/dataplanes/NAME
//   PUT, DELETE    the same: what the API has of it
//   GET            /meshes/MESH/dataplanes, /dataplanes       ?size=100&offset=0
//
// and likewise external-services; hostnamegenerators are of no mesh: /hostnamegenerators/NAME.
// GET tells what counts, wherever it comes from. Belongs to the control thread. Asks nobody who
// they are, so it serves only those who can reach the port: see is_own_request().
#pragma once

#include <cstddef>
#include <string>

#include "discovery/control/api_store.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/http_server.h"
#include "discovery/entity_id.h"

namespace meshdns::discovery {

class Api {
 public:
  static constexpr std::size_t kDefaultPage = 100;
  static constexpr std::size_t kMaxPage = 1000;

  // References outlive the API.
  Api(ApiStore& entities, const DataplaneStore& store) : entities_(entities), store_(store) {}

  void handle(const HttpRequest& request, const HttpServer::Reply& reply);

 private:
  [[nodiscard]] HttpAnswer get(const EntityId& id) const;
  // All of a kind; an empty mesh is every one.
  [[nodiscard]] HttpAnswer list(const EntityId& wanted, const HttpRequest& request) const;
  void put(const EntityId& id, const HttpRequest& request, const HttpServer::Reply& reply);
  void remove(const EntityId& id, const HttpServer::Reply& reply);
  [[nodiscard]] std::string json_of(const DataplaneStore::Claim& claim) const;
  // Where another stands before what the API has; empty: nowhere.
  [[nodiscard]] std::string place_before_api(const EntityId& id) const;

  ApiStore& entities_;
  const DataplaneStore& store_;
};

// Whether a request may come from where it says. A page in a browser of the same host can send
// requests to it, and read the answers if its name is made to lead here (DNS rebinding). So the
// Host must be an IP address or localhost, which no name server can redirect, and an Origin, which
// browsers add, that Host.
[[nodiscard]] bool is_own_request(const HttpRequest& request);

}  // namespace meshdns::discovery
