#include "efficiency.h"

#include <cmath>

namespace moecosim {

std::string Efficiency::set(const std::vector<double>& block_bytes, const std::vector<double>& read,
                            const std::vector<double>& write) {
    if (block_bytes.empty() || read.size() != block_bytes.size() || write.size() != block_bytes.size())
        return "efficiency_block_bytes, efficiency_read and efficiency_write must have the same length, at least 1";
    log_block_.clear();
    for (size_t i = 0; i < block_bytes.size(); ++i) {
        if (block_bytes[i] <= 0 || (i > 0 && block_bytes[i] <= block_bytes[i - 1]))
            return "efficiency_block_bytes must be positive and increase";
        if (!(read[i] > 0 && read[i] <= 1 && write[i] > 0 && write[i] <= 1))
            return "efficiency_read and efficiency_write must be in (0, 1]";
        log_block_.push_back(std::log(block_bytes[i]));
    }
    read_ = read;
    write_ = write;
    return "";
}

double Efficiency::share(uint64_t block_bytes, bool is_write) const {
    const std::vector<double>& share = is_write ? write_ : read_;
    const double x = block_bytes > 0 ? std::log(double(block_bytes)) : log_block_.back();
    if (x <= log_block_.front()) return share.front();
    for (size_t i = 1; i < log_block_.size(); ++i)
        if (x <= log_block_[i]) {
            const double part = (x - log_block_[i - 1]) / (log_block_[i] - log_block_[i - 1]);
            return share[i - 1] + part * (share[i] - share[i - 1]);
        }
    return share.back();
}

}  // namespace moecosim
