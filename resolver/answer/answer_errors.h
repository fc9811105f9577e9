// Why a name of ours has no answer, for clients that understand extended errors (RFC 8914).
#pragma once

#include "resolver/wire/protocol.h"
#include "resolver/wire/response_writer.h"

namespace meshdns::dns {

inline constexpr ExtendedError kNotReadyError{.code = extended_error::kNotReady,
                                              .text = "no service table yet"};
inline constexpr ExtendedError kStaleError{.code = extended_error::kStaleAnswer,
                                           .text = "service table unconfirmed for long"};
inline constexpr ExtendedError kStaleNoNameError{.code = extended_error::kStaleNxDomainAnswer,
                                                 .text = "service table unconfirmed for long"};
inline constexpr ExtendedError kExpiredError{.code = extended_error::kNoReachableAuthority,
                                             .text = "service table too old"};
inline constexpr ExtendedError kWithheldError{.code = extended_error::kOther,
                                              .text = "service has no address yet"};
inline constexpr ExtendedError kPortsNotToldError{.code = extended_error::kOther,
                                                  .text = "too many lists of ports to tell"};
inline constexpr ExtendedError kTooManyPortsError{.code = extended_error::kOther,
                                                  .text = "ports fit no message"};

}  // namespace meshdns::dns
