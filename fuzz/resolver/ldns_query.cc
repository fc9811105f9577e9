// ldns and parse_query() over the same request.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fuzz/resolver/ldns_reading.h"
#include "fuzz/resolver/ldns_walk.h"
#include "resolver/app/ldns.h"  // IWYU pragma: keep
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"

namespace meshdns::fuzz {
namespace {

constexpr std::uint16_t kReservedFlag = 0x0040;  // Z, which ldns drops
constexpr std::uint16_t kClientSubnetOption = 8;

bool has_other_than_one_question(const Header& header) { return header.counts[0] != 1; }

bool question_is_compressed(Message request) {
  return shape_of_name(request, dns::kHeaderOctets).has_pointer;
}

bool has_trailing_octets(Message request, std::size_t end) { return end < request.size(); }

bool opt_is_misplaced(std::size_t section, const RecordFrame& frame, std::size_t at,
                      std::size_t opts_before) {
  return section != 2 || opts_before > 0 || frame.owner.end - at != 1;
}

// RFC 7871 section 6, for queries: the scope is zero.
bool is_client_subnet(std::span<const std::uint8_t> value) {
  if (value.size() < 4 || value[3] != 0) {
    return false;
  }
  const unsigned family = ldns_read_uint16(value.data());
  const unsigned prefix = value[2];
  const unsigned most = family == 0 ? 0 : family == 1 ? 32 : 128;
  if (family > 2 || prefix > most || value.size() - 4 != (prefix + 7) / 8) {
    return false;
  }
  const unsigned unused = (8 - prefix % 8) % 8;
  return (value.back() & ((1U << unused) - 1U)) == 0;
}

bool options_are_malformed(std::span<const std::uint8_t> rest) {
  bool first_subnet = true;
  while (!rest.empty()) {
    if (rest.size() < 4 || rest.size() - 4 < ldns_read_uint16(rest.data() + 2)) {
      return true;
    }
    const auto value = rest.subspan(4, ldns_read_uint16(rest.data() + 2));
    if (ldns_read_uint16(rest.data()) == kClientSubnetOption && first_subnet) {
      first_subnet = false;
      if (!is_client_subnet(value)) {
        return true;
      }
    }
    rest = rest.subspan(4 + value.size());
  }
  return false;
}

// What a request is worth by ldns's reading and the exemptions, to hold parse_query() against.
class RequestReading {
 public:
  explicit RequestReading(Message request) : request_(request), header_(read_header(request)) {
    good_ = !has_other_than_one_question(header_) && !question_is_compressed(request_);
    for (std::size_t i = 0; i < header_.counts[0] && whole_; ++i) {
      read_question();
    }
    for (std::size_t section = 0; section < 3; ++section) {
      for (std::size_t i = 0; i < header_.counts.at(section + 1) && whole_; ++i) {
        read_record(section);
      }
    }
    good_ = good_ && whole_ && !has_trailing_octets(request_, at_);
  }

  [[nodiscard]] std::string compare(const dns::Query& ours) const {
    if (!difference_.empty()) {
      return difference_;
    }
    if (ours.id != header_.id || (ours.flags & ~kReservedFlag) != header_.flags) {
      return "id or flags";
    }
    if (ours.status != status()) {
      return "the verdict";
    }
    return good_ ? compare_fields(ours) : "";
  }

  [[nodiscard]] bool is_response() const { return (header_.flags & dns::flag::kResponse) != 0; }

 private:
  [[nodiscard]] dns::ParseStatus status() const {
    if ((header_.flags & dns::flag::kOpcodeMask) != 0) {
      return dns::ParseStatus::kNotImp;
    }
    if (!good_) {
      return dns::ParseStatus::kFormErr;
    }
    return version() > 0 ? dns::ParseStatus::kBadVers : dns::ParseStatus::kOk;
  }

  [[nodiscard]] unsigned version() const { return opt_.ttl >> 16U & 0xffU; }

  void read_question() {
    const Item item = read_item(request_, at_, LDNS_SECTION_QUESTION);
    whole_ = item.record != nullptr;
    if (question_.record == nullptr && whole_) {
      question_.record = read_item(request_, at_, LDNS_SECTION_QUESTION).record;
    }
    at_ = item.end;
  }

  void read_record(std::size_t section) {
    const Item item = read_item(request_, at_, LDNS_SECTION_ANSWER);
    const RecordFrame frame = frame_of_record(request_, at_);
    whole_ = frame.whole && !first_pointer_is_no_prior_name(frame);
    if (whole_ != (item.record != nullptr)) {
      const bool owner_is_not_followed = frame.owner.has_pointer;
      const bool excused =
          whole_ ? owner_is_not_followed || fault_is_inside_rdata(request_, at_, frame)
                 : frame.whole && first_pointer_is_no_prior_name(frame);
      difference_ = excused ? difference_ : "a record that only one of both reads";
    }
    if (whole_ && frame.type == LDNS_RR_TYPE_OPT) {
      read_opt(section, frame);
    }
    at_ = frame.end;
  }

  // Of a query's owners the first pointer alone is looked at.
  [[nodiscard]] bool first_pointer_is_no_prior_name(const RecordFrame& frame) const {
    if (!frame.owner.has_pointer) {
      return false;
    }
    const unsigned target = ldns_read_uint16(request_.data() + frame.owner.end - 2) & 0x3fffU;
    return target < dns::kHeaderOctets || target >= at_;
  }

  void read_opt(std::size_t section, const RecordFrame& frame) {
    good_ = good_ && !opt_is_misplaced(section, frame, at_, opts_);
    if (opts_++ == 0) {
      opt_ = frame;
      // What the options of a later version look like is not known.
      good_ = good_ && (version() > 0 || !options_are_malformed(request_.subspan(
                                             frame.rdata_at, frame.end - frame.rdata_at)));
    }
  }

  [[nodiscard]] std::string compare_fields(const dns::Query& ours) const {
    const ldns_rr* const question = question_.record.get();
    const std::vector<std::uint8_t> name = octets_of(ldns_rr_owner(question));
    const auto as_sent = ours.question_name().octets();
    if (!ours.has_question || std::vector(as_sent.begin(), as_sent.end()) != name) {
      return "the question's name";
    }
    if (ours.qtype != ldns_rr_get_type(question) || ours.qclass != ldns_rr_get_class(question)) {
      return "the question's type or class";
    }
    if (ours.has_edns != (opts_ == 1)) {
      return "EDNS";
    }
    const bool same_opt =
        opts_ == 0 ||
        (ours.edns_version == version() && ours.dnssec_ok == ((opt_.ttl & 0x8000U) != 0) &&
         ours.udp_payload_size == (opt_.rrclass < 512 ? 512 : opt_.rrclass));
    return same_opt ? "" : "the OPT's fields";
  }

  Message request_;
  Header header_;
  std::size_t at_ = dns::kHeaderOctets;
  bool whole_ = true;  // nothing was cut so far
  bool good_ = true;   // no FORMERR
  Item question_;
  std::size_t opts_ = 0;
  RecordFrame opt_;
  std::string difference_;
};

}  // namespace

std::string compare_query(std::span<const std::uint8_t> request, const dns::Query& ours) {
  const bool dropped = ours.status == dns::ParseStatus::kDrop;
  if (request.size() < dns::kHeaderOctets) {
    return dropped ? "" : "less than a header is taken";
  }
  const RequestReading theirs(request);
  if (dropped || theirs.is_response()) {
    return dropped == theirs.is_response() ? "" : "a response is taken, or a query dropped";
  }
  return theirs.compare(ours);
}

}  // namespace meshdns::fuzz
