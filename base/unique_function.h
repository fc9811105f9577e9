// A callable that can be moved but not copied, for callbacks that own what they carry
// (std::function wants copies). Holds its callable on the heap.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace meshdns {

template <typename Signature>
class UniqueFunction;

// Empty after default construction and after a move; calling it then is a defect of the caller.
template <typename R, typename... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> &&
             std::is_invocable_r_v<R, F&, Args...>)
  // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload): as
  // std::function.
  UniqueFunction(F&& callable)
      : holder_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(callable))) {}

  [[nodiscard]] explicit operator bool() const { return holder_ != nullptr; }
  R operator()(Args... args) { return holder_->call(std::forward<Args>(args)...); }

 private:
  struct Base {
    Base() = default;
    Base(const Base&) = delete;
    Base& operator=(const Base&) = delete;
    virtual ~Base() = default;
    virtual R call(Args... args) = 0;
  };
  template <typename F>
  struct Holder final : Base {
    explicit Holder(F given) : callable(std::move(given)) {}
    R call(Args... args) override { return callable(std::forward<Args>(args)...); }
    F callable;
  };

  std::unique_ptr<Base> holder_;
};

}  // namespace meshdns
