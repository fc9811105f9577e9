// The resolver on a state folder that is full, read-only, damaged, somebody else's or too small a
// pool: what it told stays, what it cannot keep it does not tell, and it says what is wrong.
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <map>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/types.h>
#include <yaml-cpp/yaml.h>

#include "base/crc32c.h"
#include "tests/e2e/network.h"
#include "tests/e2e/resolver_fixture.h"
#include "tests/support/counted.h"
#include "tests/support/dns_client.h"
#include "tests/support/freezable_disk.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/small_disk.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kExitFile = 3;
constexpr uid_t kNobody = 65534;

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// Dataplanes of services PREFIX-FIRST to PREFIX-(LAST - 1).
std::string services(const std::string& prefix, int first, int last) {
  std::string documents;
  for (int i = first; i < last; ++i) {
    const std::string name = prefix + "-" + std::to_string(i);
    documents += to_yaml({.name = name, .service = name}) + "---\n";
  }
  return documents;
}

class StateFolder : public ResolverFixture {
 protected:
  void SetUp() override {
    control_plane_.put({.name = "web-1", .service = "web"});
    control_plane_.put({.name = "cache-1", .service = "cache"});
    control_plane_.start();
  }

  // "web" and "cache" are told, and the resolver is gone again.
  void tell_two() {
    resolver_.start_ready(control_plane_);
    web_ = resolver_.wait_for_address("web.mesh");
    cache_ = resolver_.wait_for_address("cache.mesh");
    ASSERT_NE(web_, "");
    ASSERT_NE(cache_, "");
    ASSERT_EQ(resolver_.terminate(), 0);
  }
  void expect_two() const {
    EXPECT_EQ(resolver_.address_of("web.mesh"), web_);
    EXPECT_EQ(resolver_.address_of("cache.mesh"), cache_);
  }

  // Of "web", which is answered so.
  void change_port(std::uint16_t port) const {
    control_plane_.put({.name = "web-1", .service = "web", .port = port});
    EXPECT_TRUE(wait_until([&] {
      return data_of("web.mesh", "SRV") ==
             std::vector<std::string>{"0 0 " + std::to_string(port) + " web.mesh."};
    })) << port
        << resolver_.log();
  }
  // Whether the thread that writes the table waits for the disk, as nobody can end it (state D).
  [[nodiscard]] bool writer_hangs() const {
    const std::string tasks = "/proc/" + std::to_string(resolver_.resolver_pid().value()) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      if (read_file(task.path() / "stat").find("(table-files) D") != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  // SERVFAIL without a reason that a client could act on.
  [[nodiscard]] bool is_withheld(const std::string& name) const {
    const auto reply = ask(resolver_.dns(), {.name = name});
    return reply.has_value() && reply->rcode() == "SERVFAIL" && reply->extended_error_code() == 0;
  }
  [[nodiscard]] std::string journal() const { return resolver_.state_folder() + "/vips.journal"; }
  // The /vips entry of a service.
  [[nodiscard]] YAML::Node vip(const std::string& service) const {
    for (const YAML::Node& entry : YAML::Load(resolver_.get("/vips").body)["vips"]) {
      if (entry["service"].as<std::string>() == service) {
        return entry;
      }
    }
    return {};
  }
  // What `meshdns run --state-mode required` exits with and says on this folder.
  [[nodiscard]] CommandResult run_required(std::vector<std::string> argv = {}) const {
    argv.insert(
        argv.end(),
        {program_path("meshdns"), "run", "--listen", loopback(free_port()).to_string(), "--admin",
         loopback(free_port()).to_string(), "--state-dir", resolver_.state_folder(), "--state-mode",
         "required", "--control-plane", control_plane_.address()});
    return run_command(argv);
  }

  ControlPlaneProgram control_plane_;
  std::string web_;
  std::string cache_;
};

// Read-only as a disk is after an error: what is open stays open.
TEST_F(StateFolder, ReadOnlyKeepsNoResolverFromTakingThePlaceOfOneThatDied) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const SmallDisk disk(resolver_.state_folder(), "4m");
  resolver_.start_ready(control_plane_, {"--state-mode", "required"});
  web_ = resolver_.wait_for_address("web.mesh");
  cache_ = resolver_.wait_for_address("cache.mesh");
  const std::string path = resolver_.state_folder();
  const char* const folder = path.c_str();
  ASSERT_EQ(::mount(folder, folder, nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, folder, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);

  const pid_t before = resolver_.resolver_pid().value();
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  ASSERT_TRUE(wait_until([&] {
    const auto now = resolver_.resolver_pid();
    return now && *now != before;
  }));
  ASSERT_TRUE(resolver_.wait_ready()) << resolver_.log();
  expect_two();
  control_plane_.put({.name = "new-1", .service = "new"});
  ASSERT_TRUE(wait_until([&] { return is_withheld("new.mesh"); })) << resolver_.log();
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("new services are withheld"));

  ASSERT_EQ(::umount2(folder, MNT_DETACH), 0);
  EXPECT_NE(resolver_.wait_for_address("new.mesh"), "") << resolver_.log();
  expect_two();
}

TEST_F(StateFolder, IsMadeAgainWhenSomebodyRemovesIt) {
  resolver_.start_ready(control_plane_);
  web_ = resolver_.wait_for_address("web.mesh");
  cache_ = resolver_.wait_for_address("cache.mesh");
  std::filesystem::remove_all(resolver_.state_folder());
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(journal()); })) << resolver_.log();
  EXPECT_NE(read_file(journal()).find("web"), std::string::npos);
  EXPECT_THAT(resolver_.log(), HasSubstr("was removed or replaced"));
  expect_two();
  ASSERT_TRUE(wait_until([&] {
    return std::filesystem::exists(resolver_.state_folder() + "/admin.sock");
  })) << resolver_.log();
  const CommandResult listed = run_command(
      {program_path("meshdns"), "cache", "stat", "--state-dir", resolver_.state_folder()});
  EXPECT_EQ(listed.exit_code, 0) << listed.error;
}

TEST_F(StateFolder, FullWithholdsNewNamesUntilThereIsRoom) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const SmallDisk disk(resolver_.state_folder(), "256k");
  resolver_.start_ready(control_plane_);
  web_ = resolver_.wait_for_address("web.mesh");
  cache_ = resolver_.wait_for_address("cache.mesh");

  disk.fill();
  control_plane_.put_file("many.yaml", services("svc", 0, 200));
  ASSERT_TRUE(wait_until([&] { return metric("meshdns_vip_state_degraded") == 1; }))
      << resolver_.log();
  ASSERT_TRUE(wait_until([&] { return is_withheld("svc-199.mesh"); })) << resolver_.log();
  expect_two();
  const HttpReply ready = resolver_.get("/readyz");
  EXPECT_EQ(ready.status, 200) << ready.body;
  EXPECT_THAT(ready.body, HasSubstr("No space left"));
  EXPECT_THAT(ready.body, HasSubstr(journal()));
  EXPECT_THAT(ready.body, HasSubstr("200 services are withheld"));
  EXPECT_THAT(resolver_.log(), HasSubstr("No space left"));
  EXPECT_EQ(metric("meshdns_table_services_withheld"), 200);
  // An address that may change after a crash is shown to nobody.
  EXPECT_EQ(vip("svc-199")["status"].as<std::string>(), "unstored");
  EXPECT_EQ(vip("svc-199")["addresses"].size(), 0U);
  EXPECT_FALSE(vip("svc-199")["ipv4"].IsDefined());
  EXPECT_EQ(vip("web")["ipv4"].as<std::string>(), web_);
  const auto listed = run_command({program_path("meshdns"), "vip", "show", "svc-199", "--admin",
                                   resolver_.admin().to_string()});
  EXPECT_EQ(listed.exit_code, 0) << listed.error;
  EXPECT_THAT(listed.output, HasSubstr("svc-199.mesh"));
  EXPECT_THAT(listed.output, Not(HasSubstr("244.")));

  disk.make_room();
  const std::string late = resolver_.wait_for_address("svc-199.mesh");
  EXPECT_NE(late, "") << resolver_.log();
  EXPECT_TRUE(wait_until([&] { return metric("meshdns_table_services_withheld") == 0; }));
  EXPECT_EQ(metric("meshdns_vip_state_degraded"), 0);
  EXPECT_TRUE(wait_until([&] {
    return resolver_.get("/readyz").body.find("state:") == std::string::npos;
  })) << resolver_.get("/readyz").body;
  expect_two();

  resolver_.kill();
  resolver_.start_ready(control_plane_);
  expect_two();
  // The table on disk may be older than what came after the disk had room.
  EXPECT_EQ(resolver_.wait_for_undenied("svc-199.mesh"), late);
}

TEST_F(StateFolder, FullAtTheFirstStartMeansLeasesInMemoryUntilThereIsRoomOrARefusal) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const SmallDisk disk(resolver_.state_folder(), "64k");
  disk.fill();
  const CommandResult required = run_required();
  EXPECT_EQ(required.exit_code, kExitFile) << required.error;
  EXPECT_THAT(required.error, HasSubstr("No space left"));
  EXPECT_THAT(required.error, HasSubstr(resolver_.state_folder()));

  resolver_.start_ready(control_plane_);
  web_ = resolver_.wait_for_address("web.mesh");
  cache_ = resolver_.wait_for_address("cache.mesh");
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("memory only"));
  EXPECT_EQ(metric("meshdns_vip_state_degraded"), 1);
  disk.make_room();
  EXPECT_TRUE(wait_until([&] { return metric("meshdns_vip_state_degraded") == 0; }));
  EXPECT_THAT(resolver_.get("/readyz").body, Not(HasSubstr("memory only")));
  resolver_.kill();
  EXPECT_THAT(read_file(journal()), HasSubstr("web"));
  resolver_.start_ready(control_plane_);
  expect_two();
}

TEST_F(StateFolder, FullAtAStartKeepsWhatIsThere) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const SmallDisk disk(resolver_.state_folder(), "64k");
  tell_two();
  disk.fill();
  resolver_.start_ready(control_plane_);
  expect_two();
  disk.make_room();
  control_plane_.put({.name = "late-1", .service = "late"});
  EXPECT_NE(resolver_.wait_for_address("late.mesh"), "") << resolver_.log();
}

// Longer than the control thread may be silent: whoever waited for the disk would be killed for it.
TEST_F(StateFolder, ADiskThatHangsHoldsUpNothingButNewAddresses) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  FreezableDisk disk(resolver_.state_folder());
  if (!disk.trouble().empty()) {
    GTEST_SKIP() << "no file system that can be frozen: " << disk.trouble();
  }
  resolver_.start_ready(control_plane_, {"--watchdog", "200ms"});
  web_ = resolver_.wait_for_address("web.mesh");
  cache_ = resolver_.wait_for_address("cache.mesh");
  ASSERT_NE(web_, "");

  disk.freeze();
  for (std::uint16_t port = 7000; port < 7005; ++port) {
    change_port(port);
  }
  control_plane_.put({.name = "late-1", .service = "late"});
  EXPECT_TRUE(wait_until([&] { return is_withheld("late.mesh"); })) << resolver_.log();
  const HttpReply ready = resolver_.get("/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_THAT(ready.body, HasSubstr("state: the disk does not take what was told"));
  expect_two();
  EXPECT_THAT(resolver_.log(), Not(HasSubstr("hangs")));

  disk.thaw();
  EXPECT_NE(resolver_.wait_for_address("late.mesh"), "") << resolver_.log();
  EXPECT_TRUE(wait_until([&] {
    return resolver_.get("/readyz").body.find("state:") == std::string::npos;
  })) << resolver_.get("/readyz").body;
  ASSERT_EQ(resolver_.terminate(), 0);
}

// A disk takes what is written, into memory, and hangs when that is to be synced: its image is a
// file on one that hangs.
TEST_F(StateFolder, ADiskThatHangsInASyncHoldsUpNothingEither) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const std::string beneath = resolver_.folder().file("beneath");
  FreezableDisk disk(beneath, beneath + ".image", 4 * FreezableDisk::kOctets);
  const FreezableDisk state(resolver_.state_folder(), beneath + "/state.image",
                            FreezableDisk::kOctets);
  if (!disk.trouble().empty() || !state.trouble().empty()) {
    GTEST_SKIP() << "no file system that can be frozen: " << disk.trouble() << state.trouble();
  }
  resolver_.start_ready(control_plane_, {"--watchdog", "200ms"});
  web_ = resolver_.wait_for_address("web.mesh");
  cache_ = resolver_.wait_for_address("cache.mesh");
  ASSERT_NE(web_, "");

  disk.freeze();
  change_port(7000);
  EXPECT_TRUE(wait_until([&] { return writer_hangs(); }));
  for (std::uint16_t port = 7001; port < 7005; ++port) {
    change_port(port);
  }
  expect_two();
  EXPECT_THAT(resolver_.log(), Not(HasSubstr("hangs")));

  disk.thaw();
  EXPECT_TRUE(wait_until([&] { return resolver_.is_settled(); }));
  ASSERT_EQ(resolver_.terminate(), 0);
}

TEST_F(StateFolder, ReadOnlyKeepsWhatIsThere) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  const SmallDisk disk(resolver_.state_folder(), "64k");
  tell_two();
  disk.make_read_only();
  const CommandResult required = run_required();
  EXPECT_EQ(required.exit_code, kExitFile) << required.error;
  EXPECT_THAT(required.error, HasSubstr("Read-only file system"));

  resolver_.start_ready(control_plane_);
  expect_two();
  control_plane_.put({.name = "late-1", .service = "late"});
  EXPECT_NE(resolver_.wait_for_address("late.mesh"), "");
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("Read-only file system"));
  EXPECT_EQ(metric("meshdns_vip_state_degraded"), 1);
}

TEST_F(StateFolder, ADamagedJournalIsKeptAsideAndWhatCanBeReadIsUsed) {
  tell_two();
  std::string damaged = read_file(journal());
  const auto place = damaged.find("cache");
  ASSERT_NE(place, std::string::npos);
  damaged[place] ^= 1;
  damaged += damaged.substr(damaged.size() - 5);  // and a torn tail
  write_file(journal(), damaged);

  resolver_.start_ready(control_plane_);
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), web_);
  EXPECT_NE(resolver_.wait_for_address("cache.mesh"), "");
  EXPECT_EQ(read_file(journal() + ".corrupt-1"), damaged);
  EXPECT_THAT(resolver_.log(), HasSubstr("damaged"));
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr(journal() + ".corrupt-1"));
  EXPECT_EQ(metric("meshdns_vip_journal_damages_total"), 1);
  // The next start finds a sound one.
  ASSERT_EQ(resolver_.terminate(), 0);
  resolver_.start_ready(control_plane_);
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), web_);
  EXPECT_EQ(metric("meshdns_vip_journal_damages_total"), 0);
}

TEST_F(StateFolder, AForeignFileIsLeftAloneAndNamed) {
  std::filesystem::create_directories(resolver_.state_folder());
  const std::string foreign = "somebody's notes, and not one line of a journal\n";
  write_file(journal(), foreign);
  const CommandResult required = run_required();
  EXPECT_EQ(required.exit_code, kExitFile);
  EXPECT_THAT(required.error, HasSubstr(journal() + " is no lease journal"));

  resolver_.start_ready(control_plane_);
  EXPECT_NE(resolver_.wait_for_address("web.mesh"), "");
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("is no lease journal"));
  EXPECT_EQ(read_file(journal()), foreign);
}

// The header of a journal, which a program of another version wrote: octet 11 is the last of its
// version, and the checksum is right.
std::string header_of_version(char version) {
  std::string header("\x8dMDVIP\r\n\0\0\0\0\0\0\0\x23\0\0\0\0\0\0\0\1default", 31);
  header[11] = version;
  const std::uint32_t checksum = crc32c(header);
  for (unsigned shift = 32; shift > 0; shift -= 8) {
    header += static_cast<char>(checksum >> (shift - 8));
  }
  return header;
}

TEST_F(StateFolder, AJournalOfAnotherVersionIsLeftAloneAndNamed) {
  std::filesystem::create_directories(resolver_.state_folder());
  for (const auto& [version, program] : {std::pair{'\0', "older"}, std::pair{'\2', "newer"}}) {
    const std::string content = header_of_version(version);
    write_file(journal(), content);
    const CommandResult required = run_required();
    EXPECT_EQ(required.exit_code, kExitFile);
    EXPECT_THAT(required.error, HasSubstr(journal() + " has format version "));
    EXPECT_THAT(required.error, HasSubstr(std::string("run the ") + program + " program"));

    resolver_.start_ready(control_plane_);
    EXPECT_NE(resolver_.wait_for_address("web.mesh"), "");
    EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("has format version"));
    ASSERT_EQ(resolver_.terminate(), 0);
    EXPECT_EQ(read_file(journal()), content);
  }
}

// The folder, and then the journal alone, belong to somebody whom the resolver may not overrule.
TEST_F(StateFolder, OfAnotherOwnerIsLeftAloneAndNamed) {
  tell_two();
  const std::string content = read_file(journal());
  for (const std::string& path : {resolver_.state_folder(), journal()}) {
    if (::chown(path.c_str(), kNobody, kNobody) != 0) {
      GTEST_SKIP() << "needs root, to give files to another owner";
    }
    resolver_.options().argv = {"setpriv", "--bounding-set=-dac_override,-dac_read_search",
                                "--inh-caps=-dac_override,-dac_read_search"};
    const CommandResult required = run_required(resolver_.options().argv);
    EXPECT_EQ(required.exit_code, kExitFile) << required.error;
    EXPECT_THAT(required.error, HasSubstr(resolver_.state_folder()));
    EXPECT_THAT(required.error, HasSubstr("Permission denied"));

    resolver_.start_ready(control_plane_);
    EXPECT_NE(resolver_.wait_for_address("web.mesh"), "");
    EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("Permission denied"));
    EXPECT_EQ(metric("meshdns_vip_state_degraded"), 1);
    ASSERT_EQ(resolver_.terminate(), 0);
    EXPECT_EQ(read_file(journal()), content);
    ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
  }
  resolver_.options().argv.clear();
  resolver_.start_ready(control_plane_);
  expect_two();
}

TEST_F(StateFolder, OfAnotherRunningResolverIsRefused) {
  resolver_.start_ready(control_plane_);
  const CommandResult required = run_required();
  EXPECT_EQ(required.exit_code, kExitFile);
  EXPECT_THAT(required.error, HasSubstr("is another meshdns running on this state folder?"));
}

// A pool of six addresses, all of them given: who comes next waits until one is given back and its
// quarantine is over.
class StateFolderPool : public StateFolder {
 protected:
  void start() {
    resolver_.start_ready(control_plane_, {"--vip-ipv4-pool", "244.0.0.0/29", "--ttl", "1s",
                                           "--vip-quarantine", "1s"});
  }
  void give_all() {
    control_plane_.put_file("four.yaml", services("svc", 0, 4));
    start();
    ASSERT_NE(resolver_.wait_for_address("svc-3.mesh"), "");
    web_ = resolver_.wait_for_address("web.mesh");
    cache_ = resolver_.wait_for_address("cache.mesh");
  }
};

TEST_F(StateFolderPool, ExhaustedLeavesOthersAloneAndServesAgainWhatIsFreed) {
  give_all();
  control_plane_.put({.name = "late-1", .service = "late"});
  ASSERT_TRUE(wait_until([&] { return is_withheld("late.mesh"); })) << resolver_.log();
  expect_two();
  EXPECT_EQ(metric("meshdns_vip_exhausted"), 1);
  EXPECT_EQ(vip("late")["status"].as<std::string>(), "exhausted");
  EXPECT_THAT(resolver_.log(), HasSubstr("a VIP pool is exhausted"));

  control_plane_.remove_file("cache-1.yaml");
  EXPECT_EQ(resolver_.wait_for_address("late.mesh"), cache_);
  EXPECT_EQ(metric("meshdns_vip_exhausted"), 0);
  EXPECT_EQ(resolver_.address_of("web.mesh"), web_);
}

TEST_F(StateFolderPool, GetsBackWhatAServiceHadThatWentWhileNobodyLooked) {
  give_all();
  resolver_.kill();
  control_plane_.remove_file("cache-1.yaml");
  control_plane_.put({.name = "late-1", .service = "late"});
  start();
  EXPECT_EQ(resolver_.wait_for_address("late.mesh"), cache_);
  EXPECT_EQ(resolver_.address_of("web.mesh"), web_);
}

// Killed while services arrive, over and over: what a client was told once stays.
TEST(Kills, NoAnswerEverChanges) {
  constexpr int kServices = 10;
  ControlPlaneProgram control_plane;
  control_plane.start();
  ResolverProgram resolver;
  std::map<std::string, std::string> told;     // name to address
  std::map<std::string, std::string> holders;  // address to name
  const std::uint64_t kills = counted(5, 200);
  for (std::uint64_t kill = 0; kill < kills && !testing::Test::HasFailure(); ++kill) {
    SCOPED_TRACE(kill);
    // Most keys of so small a pool want an address that another one has.
    resolver.start_ready(control_plane, {"--vip-ipv4-pool", "244.0.0.0/21"});
    const int first = static_cast<int>(kill) * kServices;
    control_plane.put_file("svc-" + std::to_string(kill) + ".yaml",
                           services("svc", first, first + kServices));
    // The kill comes while the others are on their way: after as many answers as it is the turn of.
    for (int i = 0; i < first + 1 + static_cast<int>(kill) % kServices; ++i) {
      const std::string name = "svc-" + std::to_string(i) + ".mesh";
      // The table on disk, which is answered first, may be a moment older than the last answers:
      // then it denies nothing.
      const std::string address =
          told.contains(name) ? resolver.wait_for_undenied(name) : resolver.wait_for_address(name);
      ASSERT_NE(address, "") << name;
      EXPECT_EQ(told.emplace(name, address).first->second, address) << name;
      EXPECT_EQ(holders.emplace(address, name).first->second, name) << address;
    }
    resolver.kill();
  }
}

}  // namespace
}  // namespace meshdns::support
