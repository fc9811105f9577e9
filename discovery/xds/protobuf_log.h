// What protobuf says of messages that do not parse.
#pragma once

namespace meshdns::discovery {

// protobuf writes a line to standard error for each string that is no UTF-8, so that a peer could
// fill a disk. We say ourselves what is wrong with a message, at a bounded rate. For the whole
// process; before its first thread.
void silence_protobuf();

}  // namespace meshdns::discovery
