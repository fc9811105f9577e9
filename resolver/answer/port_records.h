// One record that tells of one port: SRV (RFC 2782), SVCB or HTTPS (RFC 9460). Hot path.
#pragma once

#include <cstdint>

#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/name.h"
#include "resolver/wire/response_writer.h"

namespace meshdns::dns {

enum class AddressHints : std::uint8_t { kGiven, kLeftOut };

// Writes the records of one service, with one owner.
class PortRecords {
 public:
  // `owner_at`: where the owner stands in the message. `target`: the service's name, folded.
  PortRecords(ResponseWriter& writer, std::uint16_t owner_at, const Snapshot::Host& host,
              NameView target)
      : writer_(writer), owner_at_(owner_at), host_(host), target_(target) {}

  // The record of `type` in the answer. False, and nothing written, when it does not fit.
  [[nodiscard]] bool add(std::uint16_t type, const Port& port, AddressHints hints);

 private:
  void put_srv(const Port& port);
  void put_svcb(std::uint16_t type, const Port& port, AddressHints hints);
  void put_alpn(std::uint16_t type, Alpn alpn);
  void put_hints();

  ResponseWriter& writer_;
  std::uint16_t owner_at_;
  const Snapshot::Host& host_;
  NameView target_;
};

}  // namespace meshdns::dns
