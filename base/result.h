// Failure on the control path: a value, or an Error that says what went wrong and where.
//
// The data path does not use this header: it has its own allocation-free enums (WireError,
// Verdict).
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace meshdns {

// What kind of failure it is, for code that decides by it: exit codes, retries, metrics.
enum class ErrorCode : std::uint8_t {
  kInvalidArgument,   // the input is wrong: a configuration, a resource, a flag
  kNotFound,          // a file, name or key that does not exist
  kAlreadyExists,     // taken: a lock, an address, a name
  kPermissionDenied,  // the operating system refused
  kNoSpace,           // disk or quota full
  kIo,                // a file could not be read or written for another reason
  kNetwork,           // a socket could not be made, bound or used
  kCorrupt,           // stored data does not decode
  kExhausted,         // a bounded resource of ours is used up: pool, table, limit
  kUnavailable,       // not now; a later try may succeed
  kInternal,          // a defect of ours
};

// `message` is a whole phrase that names the thing (path, key, address) and the reason. It is
// wrapped with context as it rises and logged once, where it is handled.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <typename T>
using Result = tl::expected<T, Error>;

// The failing branch of a Result: `return fail(ErrorCode::kNotFound, "...")`.
[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

// Passes an error on with context in front of it: "<context>: <message>".
[[nodiscard]] inline tl::unexpected<Error> fail(const std::string& context, Error error) {
  return fail(error.code, context + ": " + std::move(error.message));
}

// An error for the errno value `number`, as "<what>: <strerror>", with the code that fits.
[[nodiscard]] Error errno_error(int number, const std::string& what);

}  // namespace meshdns
