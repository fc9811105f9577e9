// An authority of a test's own, and certificates that it gives, made with the program openssl.
#pragma once

#include <string>

#include "tests/support/temporary_directory.h"

namespace meshdns::support {

class CertificateAuthority {
 public:
  // Throws std::runtime_error when openssl cannot make it, as certify() does.
  explicit CertificateAuthority(const std::string& name);

  // The authority's own: file(".pem"), file(".key").
  [[nodiscard]] std::string file(const std::string& ending) const {
    return folder_.file(name_ + ending);
  }
  // Makes a key and a certificate of this name, which may be an IP address; `days` from now it
  // ends, or ended.
  void certify(const std::string& name, int days = 1) const;
  [[nodiscard]] std::string key_of(const std::string& name) const {
    return folder_.file(name + ".key");
  }
  [[nodiscard]] std::string certificate_of(const std::string& name) const {
    return folder_.file(name + ".pem");
  }
  // As an operator makes it.
  [[nodiscard]] std::string pin_of(const std::string& name) const;

 private:
  std::string name_;
  TemporaryDirectory folder_;
};

}  // namespace meshdns::support
