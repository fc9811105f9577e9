#include "resolver/app/admin_routes.h"

#include <string>
#include <utility>

#include "resolver/app/admin_server.h"
#include "resolver/app/service_entries.h"
#include "resolver/app/table_dump.h"

namespace meshdns::dns {
namespace {

AdminReply plain(std::string body) {
  AdminReply reply;
  reply.body = std::move(body);
  return reply;
}

AdminReply ready_reply(const Readiness& readiness) {
  AdminReply reply;
  reply.status = readiness.missing.empty() ? 200 : 503;
  reply.body = readiness.missing.empty() ? "ready\n" : "not ready\n";
  for (const std::string& line : readiness.missing) {
    reply.body += "missing: " + line + "\n";
  }
  for (const std::string& line : readiness.notes) {
    reply.body += "note: " + line + "\n";
  }
  return reply;
}

AdminReply json(const ServiceEntries* entries, Pieces (*dump)(const ServiceEntries&)) {
  static const ServiceEntries kNone;
  AdminReply reply;
  reply.content_type = "application/json";
  reply.next_piece = dump(entries == nullptr ? kNone : *entries);
  return reply;
}

}  // namespace

AdminServer::Routes make_admin_routes(AdminSources sources) {
  AdminServer::Routes routes;
  routes["/healthz"] = [] { return plain("ok\n"); };
  routes["/readyz"] = [readiness = std::move(sources.readiness)] {
    return ready_reply(readiness());
  };
  routes["/metrics"] = [before = std::move(sources.before_metrics), registry = sources.registry] {
    before();
    AdminReply reply;
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    reply.body = registry->render();
    return reply;
  };
  routes["/config"] = [config = std::move(sources.config)] {
    AdminReply reply = plain(config());
    reply.content_type = "application/yaml";
    return reply;
  };
  routes["/table"] = [entries = sources.entries] { return json(entries(), dump_table); };
  routes["/vips"] = [entries = sources.entries] { return json(entries(), dump_vips); };
  routes["/cache"] = [cache = std::move(sources.cache)] {
    AdminReply reply;
    reply.next_piece = cache();
    return reply;
  };
  routes["/upstreams"] = [upstreams = std::move(sources.upstreams)] { return plain(upstreams()); };
  return routes;
}

}  // namespace meshdns::dns
