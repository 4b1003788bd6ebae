#ifndef MOECOSIM_DRAM_ADDRESS_H
#define MOECOSIM_DRAM_ADDRESS_H

#include <cstdint>
#include <string>
#include <vector>

#include "dram_rules.h"

namespace moecosim {

struct DramPlace {
    uint32_t bank;  // of the channel
    uint32_t row;
};

// Where an access of a channel lies: fields of address bits, named from the lowest up as in
// "Column[2] PseudoChannel[1] BankGroup[2] Column[3] Bank[2] Rank[1] Row[14]".
class DramAddress {
public:
    // Empty, or what is wrong in one line. `mixes_columns`: successive bits of the column number are
    // XORed into pseudo-channel, rank, bank group, bank and row (MOP, Kaseridis et al., MICRO 2011).
    std::string set(const std::string& fields, bool mixes_columns, const DramRules& rules);

    // `access`: counted from the start of the channel; beyond its end it begins anew.
    DramPlace place(uint64_t access) const;

private:
    enum Level : uint32_t { pseudo_channel, rank, bank_group, bank, row, column, LEVELS };
    struct Field {
        Level level;
        uint32_t bits;
    };

    std::vector<Field> fields_;
    uint32_t bits_[LEVELS] = {};
    bool mixes_columns_ = false;
};

}  // namespace moecosim

#endif
