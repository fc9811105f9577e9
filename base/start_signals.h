// SIGHUP while a program starts.
#pragma once

namespace meshdns {

// Of the calling thread, and those that it begins afterwards: a SIGHUP waits. It asks a program to
// read its configuration again, and would end one that has no handler for it yet.
void hold_hangup();

// It comes again to the calling thread, also one that waited: call it once there is a handler.
void let_hangup_come();

}  // namespace meshdns
