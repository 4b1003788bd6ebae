#include "dram_address.h"

#include <regex>

namespace moecosim {

static uint32_t bits_of(uint32_t count) {
    uint32_t bits = 0;
    while ((1u << bits) < count) ++bits;
    return bits;
}

std::string DramAddress::set(const std::string& fields, bool mixes_columns, const DramRules& rules) {
    static const char* const names[LEVELS] = {"PseudoChannel", "Rank", "BankGroup", "Bank", "Row", "Column"};
    const uint32_t counts[LEVELS] = {rules.pseudo_channels, rules.ranks,  rules.bank_groups,
                                     rules.banks_per_group, rules.rows, rules.columns()};
    static const std::regex one("\\s*([A-Za-z]+)\\[(\\d{1,2})\\]\\s*");
    uint32_t covered[LEVELS] = {};
    mixes_columns_ = mixes_columns;
    fields_.clear();
    std::string rest = fields;
    for (std::smatch found; !rest.empty(); rest = found.suffix()) {
        if (!std::regex_search(rest, found, one, std::regex_constants::match_continuous))
            return "mapping '" + fields + "' is not a list of fields";
        uint32_t level = 0;
        while (level < LEVELS && found[1] != names[level]) ++level;
        if (level == LEVELS) return "mapping has an unknown field " + found[1].str();
        const auto bits = uint32_t(std::stoul(found[2]));
        fields_.push_back({Level(level), bits});
        covered[level] += bits;
    }
    for (uint32_t level = 0; level < LEVELS; ++level) {
        bits_[level] = bits_of(counts[level]);
        if (covered[level] != bits_[level])
            return "mapping covers " + std::to_string(covered[level]) + " bits of " + names[level] + ", not " +
                   std::to_string(bits_[level]);
    }
    return "";
}

DramPlace DramAddress::place(uint64_t access) const {
    uint64_t value[LEVELS] = {};
    uint32_t filled[LEVELS] = {};
    for (const Field& field : fields_) {
        value[field.level] |= (access & ((1ull << field.bits) - 1)) << filled[field.level];
        filled[field.level] += field.bits;
        access >>= field.bits;
    }
    if (mixes_columns_) {
        uint64_t mix = value[column];
        for (uint32_t level = pseudo_channel; level <= row; ++level) {
            value[level] ^= mix & ((1ull << bits_[level]) - 1);
            mix >>= bits_[level];
        }
    }
    uint64_t number = 0;
    for (uint32_t level = pseudo_channel; level <= bank; ++level) number = number << bits_[level] | value[level];
    return {uint32_t(number), uint32_t(value[row])};
}

}  // namespace moecosim
