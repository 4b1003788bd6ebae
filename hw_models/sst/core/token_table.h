#ifndef MOECOSIM_TOKEN_TABLE_H
#define MOECOSIM_TOKEN_TABLE_H

#include <cstdint>
#include <vector>

#include "stream_file.h"

namespace moecosim {

// The signals of all tokens, as the units of one device see them.
class TokenTable {
public:
    static constexpr uint32_t NO_LANE = UINT32_MAX;

    void set(const StreamFile& file, std::vector<uint32_t> units);

    // A unit signalled at `sent_ps`.
    void signal(uint32_t token, uint32_t from_unit, uint64_t sent_ps);

    uint32_t arrived(uint32_t token) const { return arrived_[token]; }

    // When the last of the signals so far reaches local unit `place` (an index into `units`).
    uint64_t latest_ps(uint32_t token, uint32_t place) const { return latest_ps_[size_t(token) * units_.size() + place]; }

    // Lanes that wait for the token: a list through `after`, the first here.
    uint32_t& waiter(uint32_t token) { return waiter_[token]; }

private:
    const StreamFile* file_ = nullptr;
    std::vector<uint32_t> units_;
    std::vector<uint32_t> arrived_;
    std::vector<uint32_t> waiter_;
    std::vector<uint64_t> latest_ps_;
};

}  // namespace moecosim

#endif
