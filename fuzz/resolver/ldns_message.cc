// ldns and MessageReader over the same message, and over the same text of a name.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/resolver/ldns_reading.h"
#include "fuzz/resolver/ldns_walk.h"
#include "resolver/app/ldns.h"  // IWYU pragma: keep
#include "resolver/wire/message_reader.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/wire_reader.h"

namespace meshdns::fuzz {
namespace {

constexpr std::uint16_t kReservedFlag = 0x0040;  // Z, which ldns drops

bool is_octets(std::span<const std::uint8_t> ours, const ldns_rdf* field) {
  const auto theirs = octets_of(field);
  return std::vector(ours.begin(), ours.end()) == theirs;
}

// The reader in ldns's steps over RDATA that ldns took apart.
bool reads_the_same_rdata(Message message, const dns::RecordView& ours, const ldns_rr* theirs) {
  dns::WireReader reader(message, ours.rdata_offset);
  for (std::size_t i = 0; i < ldns_rr_rd_count(theirs); ++i) {
    const ldns_rdf* const field = ldns_rr_rdf(theirs, i);
    if (ldns_rdf_get_type(field) != LDNS_RDF_TYPE_DNAME) {
      if (!is_octets(reader.read_octets(ldns_rdf_size(field)), field)) {
        return false;
      }
      continue;
    }
    if (points_to_no_prior_name(message, reader.offset())) {
      return true;
    }
    dns::Name name;
    reader.read_name(name);
    if (!is_octets(name.octets(), field)) {
      return false;
    }
  }
  return reader.ok() && reader.offset() == ours.rdata_offset + ours.rdata.size();
}

// Both readings in step, from the header on.
class Comparison {
 public:
  Comparison(Message message, const MessageReading& ours) : message_(message), ours_(ours) {}

  std::string run() {
    if (message_.size() < dns::kHeaderOctets) {
      return ours_.ok ? "less than a header is accepted" : "";
    }
    header_ = read_header(message_);
    compare_header();
    for (std::size_t i = 0; i < header_.counts[0] && goes_on(); ++i) {
      compare_question(i);
    }
    std::size_t index = 0;
    for (std::size_t section = 0; section < 3; ++section) {
      for (std::size_t i = 0; i < header_.counts.at(section + 1) && goes_on(); ++i) {
        compare_record(index++, section, i + 1U == header_.counts.at(section + 1));
      }
    }
    compare_verdicts();
    return difference_;
  }

 private:
  [[nodiscard]] bool goes_on() const { return !ended_ && difference_.empty(); }

  void require(bool same, const std::string& what) {
    if (!same && difference_.empty()) {
      difference_ = what + " at octet " + std::to_string(at_);
    }
  }

  void compare_header() {
    require(ours_.header.id == header_.id, "id");
    require((ours_.header.flags & ~kReservedFlag) == header_.flags, "flags");
    require(ours_.header.question_count == header_.counts[0], "QDCOUNT");
    for (std::size_t i = 0; i < 3; ++i) {
      require(ours_.header.record_counts.at(i) == header_.counts.at(i + 1), "a count");
    }
  }

  // Whether both read the item whose name stands here; the walk ends where not.
  bool both_read(bool we_do, bool ldns_does, bool ldns_is_excused = false) {
    if (we_do && ldns_does) {
      return true;
    }
    if (we_do) {
      require(ldns_is_excused, "we read what ldns rejects");
      whole_verdict_counts_ = false;
      return false;
    }
    ended_ = true;
    if (ldns_does) {
      require(points_to_no_prior_name(message_, at_), "we reject what ldns reads");
      whole_verdict_counts_ = false;
    }
    return false;
  }

  void compare_question(std::size_t index) {
    const Item item = read_item(message_, at_, LDNS_SECTION_QUESTION);
    const bool we_do = index < ours_.questions.size();
    if (both_read(we_do, item.record != nullptr)) {
      const dns::QuestionView& ours = ours_.questions.at(index);
      require(is_octets(ours.name.octets(), ldns_rr_owner(item.record.get())), "question's name");
      require(ours.qtype == ldns_rr_get_type(item.record.get()), "question's type");
      require(ours.qclass == ldns_rr_get_class(item.record.get()), "question's class");
    }
    at_ = shape_of_name(message_, at_).end + 4;
  }

  void compare_record(std::size_t index, std::size_t section, bool last) {
    const Item item = read_item(message_, at_, LDNS_SECTION_ANSWER);
    const RecordFrame frame = frame_of_record(message_, at_);
    const bool we_do = index < ours_.records.size();
    if (both_read(we_do, item.record != nullptr, fault_is_inside_rdata(message_, at_, frame))) {
      compare_fields(ours_.records.at(index), section, item.record.get());
      if (departs_from_its_length(item, frame)) {
        whole_verdict_counts_ = false;
      } else {
        require(reads_the_same_rdata(message_, ours_.records.at(index), item.record.get()),
                "RDATA");
      }
    }
    if (we_do) {
      compare_place(ours_.records.at(index), frame);
    }
    const bool tsig_is_not_last = section == 2 && frame.type == LDNS_RR_TYPE_TSIG && !last;
    whole_verdict_counts_ = whole_verdict_counts_ && !tsig_is_not_last;
    at_ = frame.end;
  }

  void compare_fields(const dns::RecordView& ours, std::size_t section, const ldns_rr* theirs) {
    require(static_cast<std::size_t>(ours.section) == section, "section");
    require(is_octets(ours.owner.octets(), ldns_rr_owner(theirs)), "owner");
    require(ours.header.type == ldns_rr_get_type(theirs), "type");
    require(ours.header.rrclass == ldns_rr_get_class(theirs), "class");
    require(ours.header.ttl == ldns_rr_ttl(theirs), "TTL");
  }

  // What the lengths alone say, for records that ldns does not read too.
  void compare_place(const dns::RecordView& ours, const RecordFrame& frame) {
    require(frame.whole, "a record that is not whole");
    require(ours.rdata_offset == frame.rdata_at, "RDATA's place");
    require(ours.rdata.size() == frame.end - frame.rdata_at, "RDATA's length");
    require(ours.header.type == frame.type && ours.header.rrclass == frame.rrclass &&
                ours.header.ttl == frame.ttl,
            "fields");
  }

  void compare_verdicts() {
    require(ours_.ok == !ended_, "the verdict");
    if (difference_.empty() && whole_verdict_counts_) {
      require(accepts(message_) == ours_.ok, "the verdict on the whole");
    }
  }

  Message message_;
  const MessageReading& ours_;
  Header header_;
  std::size_t at_ = dns::kHeaderOctets;
  bool ended_ = false;
  bool whole_verdict_counts_ = true;  // until ldns reads on at another place or not at all
  std::string difference_;
};

struct FreeField {
  void operator()(ldns_rdf* field) const { ldns_rdf_deep_free(field); }
};

struct FreeText {
  void operator()(char* text) const {
    std::free(text);  // NOLINT: ldns gives malloc'ed text
  }
};

std::unique_ptr<ldns_rdf, FreeField> name_of(const std::string& text) {
  return std::unique_ptr<ldns_rdf, FreeField>(ldns_dname_new_frm_str(text.c_str()));
}

bool text_has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

}  // namespace

MessageReading read_message(std::span<const std::uint8_t> message) {
  MessageReading reading;
  dns::MessageReader reader(message);
  reading.header = reader.header();
  dns::QuestionView question;
  while (reader.ok() && reading.questions.size() < reading.header.question_count &&
         reader.read_question(question)) {
    reading.questions.push_back(question);
  }
  dns::RecordView record;
  while (reader.ok() && reader.next(record)) {
    reading.records.push_back(record);
  }
  reading.ok = reader.ok();
  return reading;
}

std::string compare_message(std::span<const std::uint8_t> message, const MessageReading& ours) {
  return Comparison(message, ours).run();
}

std::string compare_name_text(std::string_view text, const std::optional<dns::Name>& ours,
                              const std::string& printed) {
  if (text_has_nul(text)) {
    return "";
  }
  const auto theirs = name_of(std::string(text));
  if (ours.has_value() != (theirs != nullptr)) {
    return ours ? "we take text that ldns rejects" : "we reject text that ldns takes";
  }
  if (!ours) {
    return "";
  }
  if (!is_octets(ours->octets(), theirs.get())) {
    return "the text's octets";
  }
  // Each reads what the other prints. Which octets are escaped is the printer's choice (RFC 1035
  // section 5.1).
  const std::unique_ptr<char, FreeText> theirs_printed(ldns_rdf2str(theirs.get()));
  if (dns::Name::from_text(theirs_printed.get()) != *ours) {
    return "we do not read what ldns prints";
  }
  const auto again = name_of(printed);
  if (again == nullptr || !is_octets(ours->octets(), again.get())) {
    return "ldns does not read what we print";
  }
  return "";
}

}  // namespace meshdns::fuzz
