#include "token_table.h"

#include <algorithm>
#include <utility>

namespace moecosim {

void TokenTable::set(const StreamFile& file, std::vector<uint32_t> units) {
    file_ = &file;
    units_ = std::move(units);
    arrived_.assign(file.header().tokens, 0);
    waiter_.assign(file.header().tokens, NO_LANE);
    latest_ps_.assign(size_t(file.header().tokens) * units_.size(), 0);
}

void TokenTable::signal(uint32_t token, uint32_t from_unit, uint64_t sent_ps) {
    ++arrived_[token];
    uint64_t* latest = &latest_ps_[size_t(token) * units_.size()];
    for (size_t place = 0; place < units_.size(); ++place)
        latest[place] = std::max(latest[place], sent_ps + file_->signal_ps(from_unit, units_[place]));
}

}  // namespace moecosim
