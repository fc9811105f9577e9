// A resolver, and the questions that most tests ask of it.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/dns_client.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {

inline constexpr int kUnavailable = 14;  // gRPC's
inline constexpr int kNotReady = 14;     // RFC 8914 section 4

class ResolverFixture : public testing::Test {
 protected:
  // "none" without a reply.
  [[nodiscard]] std::string rcode_of(const std::string& name, const std::string& type = "A") const {
    const auto reply = ask(resolver_.dns(), {.name = name, .type = type});
    return reply ? reply->rcode() : "none";
  }
  // Of the answer's records of that type.
  [[nodiscard]] std::vector<std::string> data_of(const std::string& name,
                                                 const std::string& type = "A") const {
    const auto reply = ask(resolver_.dns(), {.name = name, .type = type});
    return reply ? reply->answer_data(type) : std::vector<std::string>{"no reply"};
  }
  [[nodiscard]] bool wait_for_rcode(const std::string& name, const std::string& rcode) const {
    return wait_until([&] { return rcode_of(name) == rcode; });
  }
  // Of a metric, named with its labels; -1 where there is none.
  [[nodiscard]] double metric(const std::string& name) const {
    const std::string body = "\n" + resolver_.get("/metrics").body;
    const auto place = body.find("\n" + name + " ");
    return place == std::string::npos ? -1 : std::stod(body.substr(place + name.size() + 2));
  }

  ResolverProgram resolver_;
};

}  // namespace meshdns::support
