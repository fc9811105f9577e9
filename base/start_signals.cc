#include "base/start_signals.h"

#include <csignal>

namespace meshdns {
namespace {

void mask_hangup(int how) {
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  pthread_sigmask(how, &hangup, nullptr);
}

}  // namespace

void hold_hangup() { mask_hangup(SIG_BLOCK); }

void let_hangup_come() { mask_hangup(SIG_UNBLOCK); }

}  // namespace meshdns
