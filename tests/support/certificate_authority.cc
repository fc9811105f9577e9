#include "tests/support/certificate_authority.h"

#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ip_address.h"
#include "tests/support/process.h"

namespace meshdns::support {
namespace {

std::string run(const std::vector<std::string>& argv) {
  const CommandResult result = run_command(argv);
  if (result.exit_code != 0) {
    throw std::runtime_error(fmt::format("{}: {}", fmt::join(argv, " "), result.error));
  }
  return result.output;
}

}  // namespace

CertificateAuthority::CertificateAuthority(const std::string& name) : name_(name) {
  run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-days", "2", "-subj", "/CN=" + name, "-keyout", file(".key"), "-out", file(".pem")});
}

void CertificateAuthority::certify(const std::string& name, int days) const {
  const std::string request = folder_.file(name + ".csr");
  const std::string kind = IpAddress::parse(name) ? "IP:" : "DNS:";
  run({"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-subj", "/CN=" + name, "-addext", "subjectAltName=" + kind + name, "-keyout", key_of(name),
       "-out", request});
  run({"openssl", "x509", "-req", "-in", request, "-copy_extensions", "copy", "-days",
       std::to_string(days), "-CA", file(".pem"), "-CAkey", file(".key"), "-CAcreateserial", "-out",
       certificate_of(name)});
}

std::string CertificateAuthority::pin_of(const std::string& name) const {
  const std::string pin = run({"sh", "-c",
                               "openssl x509 -in " + certificate_of(name) +
                                   " -pubkey -noout | openssl pkey -pubin -outform der | "
                                   "openssl dgst -sha256 -binary | base64"});
  return "sha256/" + pin.substr(0, pin.find('\n'));
}

}  // namespace meshdns::support
