#include "stream_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace moecosim {

static constexpr char MAGIC[8] = {'M', 'O', 'E', 'C', 'O', 'S', 'I', 'M'};
static constexpr uint32_t VERSION = 1;
static constexpr uint64_t LARGEST_TABLE = uint64_t(1) << 40;  // rows: far below where the sizes below could wrap

StreamFile::~StreamFile() {
    if (base_ != nullptr) munmap(base_, size_);
}

std::string StreamFile::open(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY);
    if (file < 0) return "cannot open '" + path + "': " + std::strerror(errno);
    struct stat status {};
    const bool is_known = fstat(file, &status) == 0;
    size_ = is_known ? size_t(status.st_size) : 0;
    if (size_ < sizeof(FileHeader)) {
        close(file);
        return "'" + path + "' has " + std::to_string(size_) + " bytes, shorter than its header";
    }
    void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (mapped == MAP_FAILED) return "cannot map '" + path + "': " + std::strerror(errno);
    base_ = mapped;
    header_ = static_cast<const FileHeader*>(base_);
    const std::string wrong = check(size_);
    if (!wrong.empty()) return "'" + path + "' " + wrong;

    const auto* at = static_cast<const char*>(base_) + sizeof(FileHeader);
    latency_ps_ = reinterpret_cast<const uint64_t*>(at);
    at += sizeof(uint64_t) * header_->units * header_->units;
    lanes_ = reinterpret_cast<const LaneRecord*>(at);
    at += sizeof(LaneRecord) * header_->lanes;
    events_ = reinterpret_cast<const EventRecord*>(at);
    at += sizeof(EventRecord) * header_->events;
    accesses_ = reinterpret_cast<const AccessRecord*>(at);

    uint64_t next = 0;
    for (uint32_t i = 0; i < header_->lanes; ++i) {
        const LaneRecord& lane = lanes_[i];
        if (lane.unit >= header_->units) return "'" + path + "' lane " + std::to_string(i) + " has an unknown unit";
        if (lane.first_event != next || lane.events > header_->events - next)
            return "'" + path + "' lane " + std::to_string(i) + " does not follow the lane before it";
        next += lane.events;
    }
    if (next != header_->events) return "'" + path + "' has events that belong to no lane";
    return "";
}

std::string StreamFile::check(size_t size) const {
    if (std::memcmp(header_->magic, MAGIC, sizeof(MAGIC)) != 0) return "is not a stream file";
    if (header_->version != VERSION)
        return "has version " + std::to_string(header_->version) + ", not " + std::to_string(VERSION);
    if (header_->events > LARGEST_TABLE || header_->accesses > LARGEST_TABLE) return "has a broken header";
    const uint64_t wanted = sizeof(FileHeader) + sizeof(uint64_t) * header_->units * uint64_t(header_->units) +
                            sizeof(LaneRecord) * uint64_t(header_->lanes) + sizeof(EventRecord) * header_->events +
                            sizeof(AccessRecord) * header_->accesses;
    if (wanted != size)
        return "has " + std::to_string(size) + " bytes where its header tells of " + std::to_string(wanted);
    return "";
}

std::string StreamFile::check_event(size_t index) const {
    const EventRecord& event = events_[index];
    const std::string name = "event " + std::to_string(index);
    if (event.kind > Kind::wait) return name + " is of no known kind";
    if (event.kind >= Kind::signal && event.token >= header_->tokens)
        return name + " has a token past the number in the header";
    const bool moves = event.kind == Kind::stream || event.kind == Kind::copy;
    if (moves && uint64_t(event.first_access) + event.accesses > header_->accesses)
        return name + " has accesses past the table";
    if (event.kind == Kind::copy && event.accesses % 2 != 0) return name + " is a copy of half a pair";
    return "";
}

}  // namespace moecosim
