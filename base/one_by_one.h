// Steps one after the other, each for somebody else: one that fails keeps nobody from his.
//
// One thread.
#pragma once

#include <exception>

namespace meshdns {

class OneByOne {
 public:
  template <typename Step>
  void take_step(const Step& step) {
    try {
      step();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  // Throws what the last step threw that failed.
  void finish() const {
    if (failure_) {
      std::rethrow_exception(failure_);
    }
  }

 private:
  std::exception_ptr failure_;
};

}  // namespace meshdns
