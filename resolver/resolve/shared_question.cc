#include "resolver/resolve/shared_question.h"

#include <cstdint>

#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {

SharedQuestion::SharedQuestion(const Query& client, std::uint64_t epoch) : epoch_(epoch) {
  query_.status = ParseStatus::kOk;
  query_.flags = static_cast<std::uint16_t>(flag::kRecursionDesired |
                                            (client.flags & flag::kCheckingDisabled));
  query_.has_question = true;
  query_.qtype = client.qtype;
  query_.qclass = client.qclass;
  query_.name.assign_folded(client.asked_name());
  query_.has_edns = true;
  query_.dnssec_ok = client.dnssec_ok;
  query_.assign_question(query_.name, client.qtype, client.qclass);
}

bool SharedQuestion::equals(const Query& client, std::uint64_t epoch) const {
  return epoch_ == epoch && query_.qtype == client.qtype && query_.qclass == client.qclass &&
         query_.dnssec_ok == client.dnssec_ok &&
         query_.checking_disabled() == client.checking_disabled() &&
         query_.name.view().equals_ignoring_case(client.asked_name());
}

}  // namespace meshdns::dns
