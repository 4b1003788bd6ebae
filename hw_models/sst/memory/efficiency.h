#ifndef MOECOSIM_EFFICIENCY_H
#define MOECOSIM_EFFICIENCY_H

#include <cstdint>
#include <string>
#include <vector>

namespace moecosim {

// Achievable share of a memory's peak against the length of a contiguous block: interpolated in
// log(block) between the points, constant outside them. The same numbers as
// hw_models.components.AccessEfficiency.
class Efficiency {
public:
    // Empty, or one line that says what is wrong. `block_bytes` increases, shares are in (0, 1].
    std::string set(const std::vector<double>& block_bytes, const std::vector<double>& read,
                    const std::vector<double>& write);

    // A block of 0 bytes is as long as can be.
    double share(uint64_t block_bytes, bool is_write) const;

private:
    std::vector<double> log_block_;
    std::vector<double> read_;
    std::vector<double> write_;
};

}  // namespace moecosim

#endif
