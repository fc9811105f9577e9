#include "discovery/xds/server_certificates.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "discovery/xds/tls_identity.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ServerCertificatesTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    authority = std::make_unique<support::CertificateAuthority>("authority");
    for (const char* const name : {"one.example", "two.example"}) {
      authority->certify(name);
    }
  }
  static void TearDownTestSuite() { authority.reset(); }

  static std::string text_of(const std::string& path) {
    PosixFileSystem files;
    return read_file(files, path, 1UL << 20U).value();
  }
  static std::string certificate(const std::string& name) {
    return text_of(authority->certificate_of(name));
  }
  static std::string key(const std::string& name) { return text_of(authority->key_of(name)); }
  void install(const std::string& name) const {
    folder.write("cert.pem", certificate(name));
    folder.write("key.pem", key(name));
  }
  [[nodiscard]] std::string refusal() {
    const auto loaded = certificates.load();
    return loaded ? "" : loaded.error().message;
  }

  static std::unique_ptr<support::CertificateAuthority> authority;
  support::TemporaryDirectory folder;
  PosixFileSystem files;
  ServerTlsFiles paths{.certificate = folder.file("cert.pem"),
                       .key = folder.file("key.pem"),
                       .client_ca = folder.file("ca.pem")};
  ServerCertificates certificates{
      files, {.certificate = paths.certificate, .key = paths.key, .client_ca = {}}};
};

std::unique_ptr<support::CertificateAuthority> ServerCertificatesTest::authority;

TEST_F(ServerCertificatesTest, AreServedAsTheyAreInTheFiles) {
  install("one.example");
  ASSERT_TRUE(certificates.load());
  EXPECT_EQ(certificates.current()->identity.certificate, certificate("one.example"));
  EXPECT_EQ(certificates.current()->identity.key, key("one.example"));
  EXPECT_EQ(certificates.refresh(), ServerCertificates::Refresh::kSame);
}

TEST_F(ServerCertificatesTest, TellWhenTheyEnd) {
  install("one.example");
  ASSERT_TRUE(certificates.load());
  const auto asked = support::run_command({"sh", "-c",
                                           "date +%s -d \"$(openssl x509 -enddate -noout -in " +
                                               paths.certificate + " | cut -d= -f2)\""});
  EXPECT_EQ(
      std::to_string(certificates.current()->identity.not_after.time_since_epoch().count()) + "\n",
      asked.output);
}

TEST_F(ServerCertificatesTest, ThatCannotBeUsedAreAnErrorAtStart) {
  EXPECT_THAT(refusal(), AllOf(HasSubstr(paths.certificate), HasSubstr("write the path")));
  install("one.example");
  folder.write("key.pem", key("two.example"));
  EXPECT_THAT(refusal(), AllOf(HasSubstr(paths.key), HasSubstr("does not go with")));
  folder.write("key.pem", "x");
  EXPECT_THAT(refusal(), AllOf(HasSubstr(paths.key), HasSubstr("no key that can be read")));
  install("one.example");
  folder.write("cert.pem", "");
  EXPECT_THAT(refusal(), AllOf(HasSubstr(paths.certificate), HasSubstr("no certificate that can")));
  folder.write("cert.pem", certificate("one.example") + certificate("two.example").substr(0, 300));
  EXPECT_THAT(refusal(), HasSubstr("no certificate that can")) << "a chain that is cut off";
}

TEST_F(ServerCertificatesTest, AKeyWithAPassphraseIsRefusedAndNobodyIsAskedForIt) {
  install("one.example");
  const auto locked =
      support::run_command({"openssl", "ec", "-aes128", "-passout", "pass:secret", "-in",
                            authority->key_of("one.example"), "-out", paths.key});
  ASSERT_EQ(locked.exit_code, 0) << locked.error;
  EXPECT_THAT(refusal(), HasSubstr("without a passphrase"));
}

TEST_F(ServerCertificatesTest, AKeyTooWeakForOpenSslIsRefused) {
  const auto made =
      support::run_command({"openssl", "req", "-x509", "-newkey", "rsa:512", "-nodes", "-subj",
                            "/CN=weak", "-keyout", paths.key, "-out", paths.certificate});
  ASSERT_EQ(made.exit_code, 0) << made.error;
  EXPECT_THAT(refusal(), HasSubstr("too small"));
}

TEST_F(ServerCertificatesTest, AChangedPairIsTakenAndAHalfWrittenOneIsNot) {
  install("one.example");
  ASSERT_TRUE(certificates.load());
  const auto before = certificates.current();
  folder.write("cert.pem", certificate("two.example"));
  EXPECT_EQ(certificates.refresh(), ServerCertificates::Refresh::kSame);
  EXPECT_FALSE(certificates.problem()) << "the key may come the next moment";
  EXPECT_EQ(certificates.refresh(), ServerCertificates::Refresh::kFailed);
  EXPECT_THAT(certificates.problem().value_or(""), HasSubstr("does not go with"));
  EXPECT_EQ(certificates.refresh(), ServerCertificates::Refresh::kSame) << "said once";
  EXPECT_TRUE(certificates.problem()) << "and true still";
  EXPECT_EQ(certificates.current(), before);
  folder.write("key.pem", key("two.example"));
  EXPECT_EQ(certificates.refresh(), ServerCertificates::Refresh::kChanged);
  EXPECT_FALSE(certificates.problem());
  EXPECT_EQ(certificates.current()->identity.certificate, certificate("two.example"));
}

TEST_F(ServerCertificatesTest, OneCanBeGoneForAMomentAndCome) {
  install("one.example");
  ASSERT_TRUE(certificates.load());
  ASSERT_TRUE(files.remove(paths.key));
  EXPECT_EQ(certificates.refresh(), ServerCertificates::Refresh::kSame);
  folder.write("key.pem", key("one.example"));
  EXPECT_EQ(certificates.refresh(), ServerCertificates::Refresh::kSame);
  EXPECT_FALSE(certificates.problem());
}

TEST_F(ServerCertificatesTest, TheAuthoritiesOfClientsAreReadAnewToo) {
  install("one.example");
  ServerCertificates mutual(files, paths);
  EXPECT_TRUE(mutual.wants_client_certificates());
  const auto missing = mutual.load();
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr(paths.client_ca));
  folder.write("ca.pem", certificate("two.example"));
  ASSERT_TRUE(mutual.load());
  folder.write("ca.pem", text_of(authority->file(".pem")));
  EXPECT_EQ(mutual.refresh(), ServerCertificates::Refresh::kChanged);
  EXPECT_EQ(mutual.current()->client_ca, text_of(authority->file(".pem")));
  folder.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(mutual.refresh(), ServerCertificates::Refresh::kSame);
  EXPECT_EQ(mutual.refresh(), ServerCertificates::Refresh::kFailed);
  EXPECT_EQ(mutual.current()->client_ca, text_of(authority->file(".pem")));
}

}  // namespace
}  // namespace meshdns::discovery
