#include "tests/support/proxyless_client.h"

#include <array>
#include <cstdio>
#include <fcntl.h>
#include <spawn.h>
#include <string>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/support/wait_until.h"

namespace meshdns::support {

std::string xds_bootstrap(const ProxylessOptions& options) {
  return fmt::format(
      R"({{"xds_servers":[{{"server_uri":"{}","channel_creds":[{{"type":"insecure"}}],)"
      R"("server_features":["xds_v3"]}}],)"
      R"("node":{{"id":"{}","locality":{{"zone":"{}"}}}}}})",
      options.control_plane, options.node_id, options.zone);
}

ProxylessClient::ProxylessClient(const ProxylessOptions& options) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  EXPECT_EQ(pipe2(in.data(), O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  std::string bootstrap =
      "GRPC_XDS_BOOTSTRAP=" + folder_.write("bootstrap.json", xds_bootstrap(options));
  std::string program = MESHDNS_PROXYLESS_CLIENT;
  std::string target = "xds:///" + options.target;
  std::string deadline = std::to_string(options.deadline.count());
  const std::array<char*, 4> arguments = {program.data(), target.data(), deadline.data(), nullptr};
  // libgrpc 1.51 frees its ring_hash as another type than it was made as.
  std::string sanitizer = "ASAN_OPTIONS=new_delete_type_mismatch=0";
  const std::array<char*, 3> environment = {bootstrap.data(), sanitizer.data(), nullptr};
  EXPECT_EQ(
      posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environment.data()),
      0);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  to_ = in[1];
  from_ = fdopen(out[0], "r");
}

ProxylessClient::~ProxylessClient() {
  close(to_);
  int status = 0;
  waitpid(pid_, &status, 0);
  EXPECT_EQ(status, 0);
  (void)fclose(from_);
}

std::string ProxylessClient::call() {
  EXPECT_EQ(write(to_, "\n", 1), 1);
  std::array<char, 1024> line{};
  if (fgets(line.data(), static_cast<int>(line.size()), from_) == nullptr) {
    return "gone";
  }
  const std::string text(line.data());
  return text.substr(0, text.find('\n'));
}

std::string ProxylessClient::call_until(const std::string& want) {
  std::string last;
  (void)wait_until([&] {
    last = call();
    return last == want || last == "gone";
  });
  return last;
}

}  // namespace meshdns::support
