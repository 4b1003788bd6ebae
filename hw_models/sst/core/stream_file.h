#ifndef MOECOSIM_STREAM_FILE_H
#define MOECOSIM_STREAM_FILE_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "records.h"

namespace moecosim {

// One device's part of a program, mapped into memory. Pages are read when the run comes to them.
class StreamFile {
public:
    StreamFile() = default;
    ~StreamFile();
    StreamFile(const StreamFile&) = delete;
    StreamFile& operator=(const StreamFile&) = delete;

    // Empty, or one line that says what is wrong with the file.
    std::string open(const std::string& path);

    // Empty, or one line that says why the event cannot be meant.
    std::string check_event(size_t index) const;

    const FileHeader& header() const { return *header_; }
    const LaneRecord& lane(size_t index) const { return lanes_[index]; }
    const EventRecord& event(size_t index) const { return events_[index]; }
    const AccessRecord& access(size_t index) const { return accesses_[index]; }
    uint64_t signal_ps(uint32_t from, uint32_t to) const {
        return latency_ps_[size_t(from) * header_->units + to];
    }

private:
    std::string check(size_t size) const;

    void* base_ = nullptr;
    size_t size_ = 0;
    const FileHeader* header_ = nullptr;
    const uint64_t* latency_ps_ = nullptr;
    const LaneRecord* lanes_ = nullptr;
    const EventRecord* events_ = nullptr;
    const AccessRecord* accesses_ = nullptr;
};

}  // namespace moecosim

#endif
