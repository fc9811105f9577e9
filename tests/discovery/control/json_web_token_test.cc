#include "discovery/control/json_web_token.h"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/control/base64url.h"
#include "discovery/control/token_key.h"
#include "discovery/control/token_keys.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kClaims = R"({"Mesh":"default"})";

class JsonWebToken : public testing::Test {
 protected:
  // Why it is refused; empty: it is not.
  [[nodiscard]] std::string refusal(std::string_view token) const {
    const auto opened = open_token(token, keys);
    return opened ? "" : opened.error().message;
  }
  // Signed, whatever the header says.
  [[nodiscard]] std::string with_header(const std::string& header) const {
    const std::string text = encode_base64url(header) + "." + encode_base64url(kClaims);
    return text + "." + encode_base64url(key.sign(text).value());
  }
  [[nodiscard]] std::string header(const std::string& algorithm) const {
    return R"({"alg":")" + algorithm + R"(","kid":")" + key.id() + R"("})";
  }

  TokenKey key = TokenKey::generate().value();
  TokenKeys keys = [this] {
    TokenKeys all;
    all.add("1.pub", TokenKey::parse(key.public_pem().value()).value());
    return all;
  }();
  std::string good = sign_token(kClaims, key).value();
};

TEST_F(JsonWebToken, IsOpenedByThePublicHalfOfItsKey) {
  const auto opened = open_token(good, keys);
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->claims, kClaims);
  EXPECT_EQ(opened->key, key.id());
  EXPECT_EQ(refusal(with_header(header("RS256"))), "");
}

TEST_F(JsonWebToken, IsSignedAsOpenSslChecksIt) {
  const support::TemporaryDirectory folder;
  const auto dot = good.rfind('.');
  folder.write("text", good.substr(0, dot));
  folder.write("signature", decode_base64url(good.substr(dot + 1)).value());
  folder.write("key", key.public_pem().value());
  const auto checked =
      support::run_command({"openssl", "dgst", "-sha256", "-verify", folder.file("key"),
                            "-signature", folder.file("signature"), folder.file("text")});
  EXPECT_EQ(checked.output, "Verified OK\n");
}

TEST_F(JsonWebToken, NoOtherAlgorithmIsTaken) {
  for (const char* const algorithm :
       {"none", "None", "", "HS256", "RS384", "RS512", "PS256", "ES256", "rs256"}) {
    EXPECT_THAT(refusal(with_header(header(algorithm))), HasSubstr("not signed with RS256"))
        << algorithm;
  }
  EXPECT_THAT(refusal(with_header(R"({"kid":")" + key.id() + R"("})")), HasSubstr("RS256"));
  EXPECT_THAT(refusal(with_header(R"({"alg":["RS256"]})")), HasSubstr("RS256"));
}

// RFC 8725 section 2.1: the public key, which everybody has, as the secret of an HMAC.
TEST_F(JsonWebToken, APublicKeyIsNobodysSecret) {
  const support::TemporaryDirectory folder;
  const std::string text = encode_base64url(header("HS256")) + "." + encode_base64url(kClaims);
  folder.write("text", text);
  folder.write("key", key.public_pem().value());
  const auto made = support::run_command(
      {"sh", "-c",
       "openssl dgst -sha256 -binary -mac HMAC -macopt hexkey:$(od -An -v -tx1 " +
           folder.file("key") + " | tr -d ' \\n') " + folder.file("text") + " > " +
           folder.file("mac")});
  ASSERT_EQ(made.exit_code, 0) << made.error;
  EXPECT_NE(refusal(text + "." + encode_base64url(folder.read("mac"))), "");
}

TEST_F(JsonWebToken, WithoutItsSignatureItIsNothing) {
  const std::string unsigned_text = good.substr(0, good.rfind('.'));
  EXPECT_THAT(refusal(unsigned_text + "."), HasSubstr("signature is wrong"));
  EXPECT_THAT(refusal(unsigned_text), HasSubstr("no JSON Web Token"));
}

TEST_F(JsonWebToken, AnyOctetThatIsChangedIsSeen) {
  for (std::size_t i = 0; i < good.size(); i += 3) {
    std::string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(refusal(changed), "") << i;
  }
}

TEST_F(JsonWebToken, AKeyThatIsNotKnownSignsNothing) {
  const TokenKey other = TokenKey::generate().value();
  EXPECT_THAT(refusal(sign_token(kClaims, other).value()), HasSubstr("a key that is not known"));
  const std::string text = encode_base64url(header("RS256")) + "." + encode_base64url(kClaims);
  EXPECT_THAT(refusal(text + "." + encode_base64url(other.sign(text).value())),
              HasSubstr("signature is wrong"))
      << "under another's name";
  EXPECT_THAT(refusal(with_header(R"({"alg":"RS256"})")), HasSubstr("a key that is not known"));
  EXPECT_THAT(refusal(with_header(R"({"alg":"RS256","kid":"../1\n"})")),
              AllOf(HasSubstr("not known"), Not(HasSubstr("\n"))));
}

TEST_F(JsonWebToken, WhatAHeaderSaysMustBeUnderstoodIsRefused) {
  EXPECT_THAT(refusal(with_header(R"({"alg":"RS256","crit":["b64"],"b64":false,"kid":")" +
                                  key.id() + R"("})")),
              HasSubstr("not known here"));
}

TEST_F(JsonWebToken, GarbageIsRefusedAndNotRepeated) {
  const std::string huge(1UL << 20U, 'a');
  for (const std::string& text :
       {std::string(), std::string("."), std::string(".."), std::string("a.b"),
        std::string("secret"), std::string("a.b.c.d"), good + ".x", good + "=", " " + good,
        good + "\n", huge, huge + "." + huge + "." + huge, std::string(3, '\0')}) {
    EXPECT_THAT(refusal(text), AllOf(Not(HasSubstr("secret")), Not(testing::IsEmpty())))
        << text.substr(0, 40);
  }
  for (const char* const text : {"[]", "{", "1", "\xFF", R"({"alg":"RS256","alg":"none"})"}) {
    EXPECT_NE(refusal(with_header(text)), "") << text;
  }
  const std::string deep(4000, '[');
  EXPECT_THAT(refusal(with_header(deep)), HasSubstr("header is no JSON"));
}

TEST(TokenKey, IsAnRsaKeyOfUsualLength) {
  const support::TemporaryDirectory folder;
  const std::map<std::string, std::string> cases{
      {"openssl genrsa 1024", "2048 to 8192 bits"},
      {"openssl ecparam -genkey -name prime256v1", "2048 to 8192 bits"},
      {"openssl genrsa -aes128 -passout pass:x 2048", "without a passphrase"},
      {"echo nothing", "no key that can be read"},
  };
  for (const auto& [command, want] : cases) {
    const auto made = support::run_command({"sh", "-c", command});
    const auto parsed = TokenKey::parse(made.output);
    ASSERT_FALSE(parsed) << command;
    EXPECT_THAT(parsed.error().message, HasSubstr(want)) << command;
  }
}

TEST(TokenKey, BothHalvesHaveTheSameIdAndOneSigns) {
  const TokenKey whole = TokenKey::generate().value();
  const TokenKey half = TokenKey::parse(whole.public_pem().value()).value();
  EXPECT_EQ(half.id(), whole.id());
  EXPECT_EQ(TokenKey::parse(whole.private_pem().value())->id(), whole.id());
  EXPECT_NE(TokenKey::generate()->id(), whole.id());
  EXPECT_FALSE(half.is_private());
  EXPECT_FALSE(half.sign("text"));
  EXPECT_FALSE(half.private_pem());
  EXPECT_TRUE(half.verify("text", whole.sign("text").value()));
  EXPECT_FALSE(half.verify("texts", whole.sign("text").value()));
}

TEST(Base64Url, HasOneTextForEachValue) {
  // RFC 4648 section 10, without padding; and the two digits that are others.
  for (const auto& [octets, text] : std::map<std::string, std::string>{{"", ""},
                                                                       {"f", "Zg"},
                                                                       {"fo", "Zm8"},
                                                                       {"foo", "Zm9v"},
                                                                       {"foob", "Zm9vYg"},
                                                                       {"fooba", "Zm9vYmE"},
                                                                       {"foobar", "Zm9vYmFy"},
                                                                       {"\xFB\xEF\xFF", "--__"}}) {
    EXPECT_EQ(encode_base64url(octets), text);
    EXPECT_EQ(decode_base64url(text), octets);
  }
  for (const char* const text : {"Zh", "Zm9", "Z", "Zg==", "Zm8=", "+/", "Zm 9", "Zm9v\n"}) {
    EXPECT_FALSE(decode_base64url(text)) << text;
  }
}

}  // namespace
}  // namespace meshdns::discovery
